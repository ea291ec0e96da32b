import { pageStyle } from '../report/html/page-style.ts';

/** The report's style and what a page with buttons needs besides. */
export const consoleStyle: string = `${pageStyle}
header.console { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; justify-content: space-between;
  padding-bottom: 12px; }
h1 { color: var(--text); font-size: 1.25rem; }
#state { margin: 0; white-space: normal; border-radius: 12px; } #state::before { content: "● "; }
.says { max-width: 1240px; margin: 0 auto; padding: 0 16px; }
.note, #outcome { border-left: 4px solid var(--open); border-radius: 6px; padding: 8px 12px; margin: 0 0 12px; background: var(--card); }
#outcome { border-color: var(--good); white-space: pre-line; }
.strip { margin: 0 0 12px; }
section > :last-child { margin-bottom: 0; }
.empty { color: var(--soft); padding: 10px 0; }
.backends { grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.backends .name { margin: 0; font-size: 1.05rem; }
.backends .legend li { background: none; border: 0; border-radius: 0; padding: 0; }
.card-head { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center; }
.card-head .buttons { margin-left: auto; }
button[data-action="promote"], button[data-action="resume"], #next { border-color: var(--pooled); color: var(--pooled); }
button[data-action="rollback"], button[data-action="kill"] { border-color: var(--bad); color: var(--bad); }
button[aria-disabled="true"] { border-color: var(--line); color: var(--soft); cursor: not-allowed; }
.keys .asks { display: block; font-size: .8rem; color: var(--soft); }
.keys .change { width: 1%; }
.keys .change .buttons { min-width: 10.5em; }
#pools .wide { min-width: 11em; } #pools .chart { height: 14px; margin-top: 4px; border-radius: 4px; overflow: hidden; }
.timeline { list-style: none; margin: 8px 0 0; padding: 0; }
.timeline li { position: relative; padding: 0 0 14px 24px; }
.timeline li::before { content: ""; position: absolute; left: 6px; top: 14px; bottom: -8px; border-left: 2px solid var(--line); }
.timeline li:last-child::before { display: none; }
.timeline i { position: absolute; left: 1px; top: 6px; width: 12px; height: 12px; border-radius: 50%; }
.timeline p { margin: 0; } .timeline .reason { max-height: 7.6em; overflow-y: auto; }
nav a { text-decoration-color: var(--soft); text-underline-offset: 3px; }
nav ul { margin: 0 0 14px; }
dialog { width: min(540px, calc(100vw - 24px)); color: var(--text); background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; padding: 20px; box-shadow: 0 12px 40px #0006; overflow-wrap: anywhere; }
dialog::backdrop { background: #0009; }
dialog h2 { margin-bottom: 14px; }
dialog label { font-size: .87rem; color: var(--soft); }
dialog input { display: block; width: 100%; font: inherit; padding: 8px; margin: 4px 0 12px; color: var(--text);
  background: var(--page); border: 1px solid var(--soft); border-radius: 6px; }
dialog .buttons { justify-content: flex-end; margin: 16px 0 0; }
dialog button { padding: 6px 14px; font-size: .92rem; }
#next { background: var(--pooled); color: var(--page); font-weight: 600; }
#plan { white-space: pre-line; margin: 0; padding: 10px 12px; border-radius: 6px; background: var(--code); max-height: 40vh;
  overflow-y: auto; }
#plan:empty { display: none; }
#again { width: min(760px, calc(100vw - 24px)); }
#again pre { margin: 0; padding: 10px 12px; border-radius: 6px; background: var(--code); max-height: 50vh; overflow: auto; white-space: pre; }
#again pre.bad { border-left: 4px solid var(--bad); white-space: pre-wrap; color: var(--text); font-weight: 400; }
#again .typed { margin: 12px 0 0; display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.buttons.again { display: flex; margin: 6px 0; }
#plan.bad { border-left: 4px solid var(--bad); font-weight: 400; color: var(--text); }
@media (max-width: 1220px) { .keys td.change { width: auto; margin-top: 4px; } }
@media (max-width: 600px) { .says { padding: 0 10px; } }
`;
