/**
 * The page as a browser gets it. Its addresses are absolute, as the site's are, and the build id stands in
 * every place where a page of some year had it.
 */
export const MARKUP = `<!DOCTYPE html><html data-build="prod-0123456789abcdef" lang="en"><head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A stand-in for the web chat</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="https://cdn.oaistatic.com/assets/site.css">
<script src="https://cdn.oaistatic.com/_next/static/abc/_ssgManifest.js?dpl=0123456789abcdef"></script>
<script src="https://cdn.oaistatic.com/assets/c/0123abcd/_index.js" type="module"></script>
</head><body>
<header><img id="logo" src="https://chatgpt.com/site/logo.png" alt="rings" width="48" height="48">
<h1>A stand-in for the web chat</h1></header>
<main id="talk"></main>
<form id="ask"><input id="question" placeholder="Ask anything" aria-label="Question" autocomplete="off">
<button id="send">Send</button></form>
<footer><span id="visitor"></span> · echo: <span id="echo"></span></footer>
</body></html>
`;

export const STYLE = `@import url("https://cdn.oaistatic.com/assets/colours.css");
body { margin: 0 auto; max-width: 42rem; min-height: 100vh; display: flex; flex-direction: column;
  font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header { display: flex; gap: 1rem; align-items: center; padding: 1rem; }
header img { border-radius: 50%; }
h1 { font-size: 1.2rem; }
main { flex: 1; padding: 1rem; }
p { padding: .6rem 1rem; border-radius: 1rem; white-space: pre-wrap; }
p.user { background: var(--bubble); margin-left: 20%; }
form { display: flex; gap: .5rem; padding: 1rem; }
input { flex: 1; padding: .7rem 1rem; border: 1px solid var(--line); border-radius: 2rem; font: inherit; }
button { padding: .7rem 1.4rem; border: 0; border-radius: 2rem; font: inherit; color: #fff; background: var(--accent); }
button:disabled { opacity: .4; }
footer { padding: 0 1rem 1rem; font-size: .8rem; color: var(--faint); }
`;

export const COLOURS = `:root { --ink: #1c1c1c; --paper: #fff; --bubble: #eef1f4; --line: #d0d4d9; --accent: #0d7a5f;
  --faint: #6a6f76; }
`;

/** What a real page allows: its own hosts, each by name. */
export const POLICY = [
  "default-src 'self'",
  "script-src 'self' https://cdn.oaistatic.com",
  "style-src 'self' https://cdn.oaistatic.com",
  'img-src data: chatgpt.com *.oaiusercontent.com',
  "connect-src 'self' https://chatgpt.com wss://*.chatgpt.com wss://chatgpt.com",
  'upgrade-insecure-requests',
].join('; ');
