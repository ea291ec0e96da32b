/** Lists of keys, one key's details, and drawings over time: in the report and in the console. */
export const keyStyle: string = `
.pill { display: inline-block; border: 1px solid currentcolor; border-radius: 999px; padding: 0 9px; font-size: .8rem;
  font-weight: 600; white-space: nowrap; color: var(--soft); }
.pill.good { color: var(--good); } .pill.bad { color: var(--bad); } .pill.open { color: var(--open); }
.pill.quiet { font-weight: 400; }
button { font: inherit; font-size: .85rem; color: var(--text); background: var(--code); border: 1px solid var(--soft);
  border-radius: 6px; padding: 4px 10px; cursor: pointer; white-space: nowrap; }
button:hover { border-color: var(--text); }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 3px solid var(--pooled); outline-offset: 2px; }
.buttons { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.tools { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: baseline; }
[hidden] { display: none !important; }
.keys th { font-weight: 600; }
.keys .subject { min-width: 10.5em; max-width: 22em; overflow-wrap: anywhere; }
.keys td.subject { font-weight: 500; }
.keys .subject a { text-decoration-color: var(--soft); text-underline-offset: 3px; }
.keys .subject .soft { display: block; font-weight: 400; }
.keys .why { overflow-wrap: anywhere; min-width: 11.5em; }
.keys .key-status, .keys .state { white-space: nowrap; } .keys .seen { min-width: 6em; }
.keys th, .keys td { padding-left: 6px; padding-right: 6px; }
.stage { font-weight: 600; }
.way { display: inline-flex; gap: 2px; margin-right: 7px; vertical-align: 1px; }
.way i { width: 9px; height: 9px; border-radius: 2px; background: var(--idle); }
.way .fill-legacy { background: var(--legacy); } .way .fill-shadow { background: var(--shadow); }
.way .fill-reverse { background: var(--reverse); } .way .fill-pooled { background: var(--pooled); }
.tools input, .tools select { font: inherit; font-size: .9rem; padding: 4px 8px; color: var(--text); background: var(--page);
  border: 1px solid var(--soft); border-radius: 6px; max-width: 100%; }
.tools input { width: 17em; }
.problems { margin: 0 0 14px; padding-left: 1.3em; }
.empty { color: var(--soft); padding: 4px 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 14px; margin: 6px 0 10px; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; }
.time { display: grid; grid-template-columns: 58px 1fr; gap: 4px 8px; margin: 6px 0 4px; }
.time .scale { width: 100%; overflow: visible; } .time .scale text { fill: var(--soft); font-size: 11px; }
.time .plot { width: 100%; display: block; border-bottom: 1px solid var(--line); }
.time .pale { opacity: .35; }
.time .axis { fill: none; } .time .ends span { white-space: nowrap; }
@media (max-width: 1220px) {
  .keys, .keys td { display: block; }
  .keys tbody { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 0 28px; }
  .keys thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .keys tr { display: grid; grid-template-columns: repeat(4, 1fr); gap: 4px 8px; padding: 12px 0;
    border-bottom: 1px solid var(--line); align-content: start; }
  .keys tr:last-child { border-bottom: 0; }
  .keys td { border: 0; padding: 0; grid-column: 1 / -1; }
  .keys td.subject { max-width: none; grid-column: 1 / 3; font-size: 1rem; }
  .keys td.key-status { grid-column: 3 / -1; text-align: right; }
  .keys td.number { grid-column: auto; text-align: left; }
  .keys td.number::before { content: attr(data-title); display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
  .keys td.state { grid-column: 1 / 3; } .keys td.seen { grid-column: 3 / -1; text-align: right; color: var(--soft); font-size: .84rem; }
  .keys td.state, .keys td.seen { grid-row: 2; }
  .keys td.why:empty { display: none; }
  button { padding: 7px 13px; }
}
@media (max-width: 600px) {
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: 8px; }
  .tools input { width: 100%; } .tools span { flex-grow: 1; }
  .time { grid-template-columns: 46px 1fr; }
}
@media print { #keys-tools, #keys-pages { display: none; } }
`;
