/** The page's style sheet. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f6f8;
  --card: #fff;
  --line: #dfe4ea;
  --ink: #16202b;
  --soft: #5a6776;
  --accent: #0c7a60;
  --accent-ink: #fff;
  --hover: #eef2f5;
  --ready: #15803d;
  --busy: #1d63d8;
  --cooling: #a35a00;
  --needs_refresh: #7a3fc4;
  --quarantined: #c0262d;
  --disabled: #66717e;
  --radius: 12px;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1216;
    --card: #161c22;
    --line: #2a333d;
    --ink: #e8edf2;
    --soft: #97a4b2;
    --accent: #2fb592;
    --accent-ink: #06251d;
    --hover: #202932;
    --ready: #4ac26b;
    --busy: #6ea8ff;
    --cooling: #e0a04a;
    --needs_refresh: #bd93f9;
    --quarantined: #ff7b7f;
    --disabled: #8f9baa;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); }
header, main { max-width: 1400px; margin: 0 auto; padding: 0 24px; }
header {
  display: flex; align-items: center; justify-content: space-between; gap: 12px; flex-wrap: wrap;
  padding-top: 18px; padding-bottom: 18px;
}
main { display: grid; grid-template-columns: minmax(0, 1fr); gap: 18px; padding-bottom: 48px; }
h1 { font-size: 20px; font-weight: 500; margin: 0; color: var(--soft); }
h1 .brand { color: var(--ink); font-weight: 700; letter-spacing: -0.02em; margin-right: 4px; }
h2 { font-size: 16px; font-weight: 650; margin: 0; }
p { margin: 0; }
.note { color: var(--soft); font-size: 13px; }
.strong { font-weight: 600; }
.code, .id { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: 13px; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: var(--radius);
  padding: 18px 20px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; align-content: start;
}
.card-head, .foot { display: flex; align-items: center; justify-content: space-between; gap: 10px; flex-wrap: wrap; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 18px; }
.empty { color: var(--soft); padding: 18px 0; text-align: center; }

button, .quiet {
  font: inherit; font-size: 14px; color: inherit; background: none; border: 1px solid transparent; border-radius: 8px;
  padding: 5px 11px; min-height: 34px; cursor: pointer; text-decoration: none; display: inline-flex;
  align-items: center; justify-content: center; white-space: nowrap;
}
button:disabled { opacity: 0.5; cursor: default; }
.primary { background: var(--accent); color: var(--accent-ink); font-weight: 600; padding: 5px 16px; }
.primary:hover:not(:disabled) { filter: brightness(1.08); }
.quiet { border-color: var(--line); }
.quiet:hover:not(:disabled) { background: var(--hover); }
.danger { color: var(--quarantined); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.buttons, .pager { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; }

.field { display: grid; gap: 4px; }
.field-name { font-size: 13px; color: var(--soft); }
.grow { flex: 1 1 220px; }
input, select, textarea {
  font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 8px;
  padding: 6px 10px; min-height: 36px; width: 100%; min-width: 0;
}
textarea { resize: vertical; }
textarea.code, input.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
::file-selector-button {
  font: inherit; font-size: 14px; color: inherit; background: none; border: 1px solid var(--line); border-radius: 6px;
  padding: 2px 10px; margin-right: 10px; cursor: pointer;
}
input::placeholder { color: var(--soft); opacity: 0.8; }
.short { width: 170px; }
.toolbar { display: flex; flex-wrap: wrap; align-items: end; gap: 12px; }
.toolbar > button { min-height: 36px; }

.connection { font-size: 13px; color: var(--soft); display: inline-flex; align-items: center; margin-right: 6px; }
.connection::before, .dot::before {
  content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--tone, var(--cooling)); margin-right: 7px; flex: none;
}
.connection.live { --tone: var(--ready); }

.ready, .well, .added { --tone: var(--ready); }
.busy, .slow_start, .updated { --tone: var(--busy); }
.cooling, .probing { --tone: var(--cooling); }
.needs_refresh { --tone: var(--needs_refresh); }
.quarantined, .ejected, .rejected { --tone: var(--quarantined); }
.disabled, .known { --tone: var(--disabled); }

.overview { display: grid; gap: 12px; }
.shares { display: flex; gap: 2px; height: 8px; border-radius: 4px; overflow: hidden; background: var(--line); }
.share { background: var(--tone); flex: 0 1 0; transition: flex-grow 0.4s; }
.tiles { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 10px; }
.tile {
  display: grid; justify-items: start; justify-content: start; gap: 1px; background: var(--card);
  border: 1px solid var(--line); border-radius: var(--radius); padding: 11px 14px; white-space: normal; text-align: left;
}
.tile strong { font-size: 24px; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
button.tile:hover { background: var(--hover); }
.tile[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.tile-name { font-size: 13px; color: var(--soft); display: inline-flex; align-items: center; }

table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: 12.5px; font-weight: 550; color: var(--soft); padding: 6px 10px 8px 0; white-space: nowrap; }
td { border-top: 1px solid var(--line); padding: 10px 14px 10px 0; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
.cell { display: grid; gap: 2px; justify-items: start; }
.cell > :empty { display: none; }
.reason { max-width: 280px; overflow-wrap: anywhere; }
.reason:not(:empty) { min-width: min(280px, 19vw); }
.wrap { overflow-wrap: break-word; }
.number { white-space: nowrap; }
.limits { display: grid; gap: 2px; }
.limit { white-space: nowrap; }
.pill {
  display: inline-flex; align-items: center; border-radius: 999px; padding: 1px 10px; font-size: 13px; font-weight: 600;
  white-space: nowrap; color: var(--tone);
  background: color-mix(in srgb, var(--tone) 13%, transparent);
}
.gauge { display: block; width: 56px; height: 5px; border-radius: 3px; background: var(--line); overflow: hidden; margin-top: 4px; }
.gauge > span { display: block; height: 100%; width: calc(var(--part, 0) * 100%); background: var(--busy); transition: width 0.3s; }
.actions .buttons { gap: 5px; justify-content: flex-end; flex-wrap: nowrap; }
.columns td { padding-right: 12px; }
.columns .note { max-width: 150px; }
.actions .quiet { min-height: 30px; padding: 2px 9px; font-size: 13px; }
th.last { text-align: right; }
.columns th { padding-right: 12px; }

.add, .fresh { display: grid; gap: 12px; background: var(--page); border: 1px solid var(--line); border-radius: var(--radius); padding: 16px; }
.add input, .add textarea, .fresh input { background: var(--card); }
.result:empty { display: none; }
.result { display: grid; gap: 8px; }
.lines { list-style: none; margin: 0; padding: 0; max-height: 260px; overflow: auto; display: grid; gap: 6px; }
.lines li { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; }
.line-number { min-width: 62px; }

.log-in { max-width: 380px; width: 100%; margin: 10vh auto 0; }
.log-in .primary { min-height: 40px; }

.messages { position: fixed; right: 20px; bottom: 20px; display: grid; gap: 8px; max-width: min(440px, calc(100vw - 40px)); z-index: 1; }
.message {
  display: flex; gap: 10px; align-items: start; justify-content: space-between; background: var(--card); color: var(--ink);
  border: 1px solid var(--line); border-left: 4px solid var(--ready); border-radius: 8px; padding: 9px 8px 9px 14px;
  box-shadow: 0 6px 24px rgb(0 0 0 / 0.18); font-size: 14px; overflow-wrap: anywhere;
}
.message.bad { border-left-color: var(--quarantined); }
.close { min-height: 24px; padding: 0 8px; font-size: 16px; color: var(--soft); }

@media (max-width: 1180px) {
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  header, main { padding-left: 14px; padding-right: 14px; }
  .card { padding: 14px; }
  table, tbody, tr, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  tr { border-top: 1px solid var(--line); padding: 10px 0; }
  td { border: 0; padding: 3px 0; display: grid; grid-template-columns: 118px minmax(0, 1fr); gap: 10px; }
  td::before { content: attr(data-label); color: var(--soft); font-size: 13px; padding-top: 1px; }
  td.actions { display: block; padding-top: 8px; }
  td.actions::before { content: none; }
  .actions .buttons { justify-content: flex-start; flex-wrap: wrap; }
  .columns .note { max-width: none; }
  td:has(.nothing) { display: none; }
  .actions .quiet { min-height: 38px; padding: 4px 12px; }
  .reason { max-width: none; }
  .limit { white-space: normal; }
  .cell { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 9px; }
  .gauge { margin: 0; align-self: center; }
}
@media (max-width: 560px) {
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tile { padding: 6px 12px; display: flex; align-items: center; gap: 9px; }
  .tile strong { font-size: 19px; }
  .page-name { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  header { flex-wrap: nowrap; padding-top: 12px; padding-bottom: 12px; }
  .short { width: 100%; }
  .toolbar > * { flex: 1 1 100%; }
  .messages { right: 12px; bottom: 12px; max-width: calc(100vw - 24px); }
  input, select, textarea { font-size: 16px; }
}
@media (prefers-reduced-motion: reduce) {
  * { transition: none !important; }
}
`;
