export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <rect width="32" height="32" rx="8" fill="#0c7a60"/>
  <path d="M8 11h11M8 16h16M8 21h7" stroke="#fff" stroke-width="3" stroke-linecap="round"/>
</svg>
`;
