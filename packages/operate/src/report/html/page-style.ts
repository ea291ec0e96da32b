import { keyStyle } from './key-style.ts';

/** The page's only style sheet. Legacy is orange and pooled is blue all through; verdicts carry a word beside their colour. */
export const pageStyle: string = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --line: #d8dde4; --text: #17202b; --soft: #56616f; --code: #eef1f5; --shade: #00000024;
  --legacy: #c2570c; --shadow: #f2bd8d; --reverse: #92c3ea; --pooled: #0b6bb5;
  --promote: #18774a; --hold: #8d6100; --roll-back: #b8251d; --inconclusive: #55606d; --on-verdict: #ffffff;
  --good: #18774a; --bad: #b8251d; --open: #8d6100;
  --idle: #cfd6de; --shed: #8f6bb3; --flight: #e3d9ee;
  --heat-few: #e6eef7; --heat-0: #c4dcf2; --heat-1: #fbdcc0; --heat-2: #f3ac72; --heat-3: #d9681d; --heat-4: #8f2f06;
  --heat-light: #ffffff; --heat-dark: #17202b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10151b; --card: #1a212a; --line: #36414e; --text: #e7ecf2; --soft: #a3afbd; --code: #242d38; --shade: #00000099;
    --legacy: #f08c3c; --shadow: #7e4a20; --reverse: #245d8c; --pooled: #58aef0;
    --promote: #1f8a56; --hold: #96690a; --roll-back: #c9362d; --inconclusive: #5d6976;
    --good: #5ccb93; --bad: #ff8178; --open: #e6b450;
    --idle: #47525f; --shed: #a988cc; --flight: #57456b;
    --heat-few: #1f2c3a; --heat-0: #24476a; --heat-1: #5a3a20; --heat-2: #8f4f17; --heat-3: #d9742a; --heat-4: #ffc08a;
    --heat-light: #f4f7fa; --heat-dark: #17202b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header.top, footer { max-width: 1240px; margin: 0 auto; padding: 0 16px; }
header.top { padding-top: 20px; }
h1 { font-size: 1.05rem; font-weight: 600; margin: 0; color: var(--soft); }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
h3 { font-size: 1rem; margin: 20px 0 6px; }
h4 { font-size: .92rem; margin: 14px 0 4px; }
p { margin: 4px 0 10px; }
a { color: inherit; }
code, .mono { font: .88em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
code { background: var(--code); border-radius: 4px; padding: 1px 4px; }
.soft { color: var(--soft); }
.small { font-size: .87rem; }
.verdict { display: flex; gap: 16px; align-items: center; border-radius: 12px; padding: 18px 20px; margin: 12px 0 16px;
  color: var(--on-verdict); }
.verdict svg { flex: none; width: 48px; height: 48px; }
.verdict strong { display: block; font-size: 1.7rem; line-height: 1.15; letter-spacing: .02em; }
.verdict p { margin: 0; }
.verdict span { display: block; margin-top: 4px; }
.verdict.promote, .badge.promote { background: var(--promote); }
.verdict.hold, .badge.hold { background: var(--hold); }
.verdict.roll-back, .badge.roll-back { background: var(--roll-back); }
.verdict.inconclusive, .badge.inconclusive { background: var(--inconclusive); }
.badge { display: inline-block; color: var(--on-verdict); border-radius: 4px; padding: 1px 7px; font-size: .78rem;
  font-weight: 600; letter-spacing: .03em; white-space: nowrap; }
.backends { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); gap: 10px; margin: 0 0 16px;
  padding: 0; list-style: none; }
.backends li, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.backends li { padding: 10px 14px; }
.backends .name { font-weight: 600; margin-right: 8px; }
.backends p { margin: 4px 0 0; }
section { padding: 16px 18px; margin: 0 0 16px; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px 18px; margin: 0; }
.tiles dt { color: var(--soft); font-size: .84rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.25; }
.tiles dd small { display: block; font-size: .78rem; font-weight: 400; color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 0 0 16px; font-size: .9rem; }
.scroll { overflow-x: auto; max-width: 100%; margin: 8px 0;
  /* A shade at the side where there is more, covered by the card's colour where there is not. */
  background: linear-gradient(to right, var(--card) 30%, transparent) left / 32px 100% local,
    linear-gradient(to left, var(--card) 30%, transparent) right / 32px 100% local,
    linear-gradient(to right, var(--shade), transparent) left / 12px 100% scroll,
    linear-gradient(to left, var(--shade), transparent) right / 12px 100% scroll;
  background-repeat: no-repeat; }
.scroll:focus-visible { outline: 2px solid var(--pooled); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); padding-bottom: 4px; }
th, td { padding: 5px 9px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; }
tbody tr:last-child > * { border-bottom: 0; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; }
.dense th, .dense td { padding-left: 6px; padding-right: 6px; }
td.wide, th.wide { min-width: 14em; overflow-wrap: anywhere; }
td.name, th.name { min-width: 7.5em; max-width: 22em; overflow-wrap: anywhere; }
.nowrap { white-space: nowrap; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.open { color: var(--open); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 3px 16px; list-style: none; padding: 0; margin: 6px 0; font-size: .87rem; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.chart { display: block; width: 100%; overflow: visible; }
.chart text { fill: var(--soft); font-size: 11px; }
.axis { stroke: var(--line); }
.fill-legacy { fill: var(--legacy); background: var(--legacy); } .fill-shadow { fill: var(--shadow); background: var(--shadow); }
.fill-reverse { fill: var(--reverse); background: var(--reverse); } .fill-pooled { fill: var(--pooled); background: var(--pooled); }
.fill-idle { fill: var(--idle); background: var(--idle); } .fill-shed { fill: var(--shed); background: var(--shed); }
.fill-flight { fill: var(--flight); background: var(--flight); } .fill-bad { fill: var(--bad); background: var(--bad); }
.ends { display: flex; justify-content: space-between; gap: 12px; font-size: .8rem; color: var(--soft); }
.heat td { text-align: center; white-space: nowrap; min-width: 4.6em; border: 2px solid var(--card); border-radius: 6px; }
.heat th { border-bottom: 0; }
.heat thead th { text-align: center; white-space: nowrap; }
.heat thead th:first-child { text-align: left; }
.heat tbody th { position: sticky; left: 0; background: var(--card); min-width: 9.5em; max-width: 14em;
  overflow-wrap: anywhere; }
.heat-none { color: var(--soft); }
.heat-few { background: var(--heat-few); } .heat-0 { background: var(--heat-0); }
.heat-1 { background: var(--heat-1); font-weight: 700; } .heat-2 { background: var(--heat-2); font-weight: 700; }
.heat-3 { background: var(--heat-3); font-weight: 700; color: var(--heat-light); }
.heat-4 { background: var(--heat-4); font-weight: 700; color: var(--heat-light); }
@media (prefers-color-scheme: dark) { .heat-3, .heat-4 { color: var(--heat-dark); } }
.group { border-top: 1px solid var(--line); padding: 12px 0 2px; }
.group h3 { margin-top: 0; }
.group dl { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0 0 6px; font-size: .87rem; }
.group dl div { display: flex; gap: 6px; }
.group dt { color: var(--soft); } .group dd { margin: 0; }
.sample { border-left: 3px solid var(--line); padding-left: 12px; margin: 10px 0; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 10px; }
.sides pre { margin: 2px 0 0; padding: 8px; background: var(--code); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere;
  font-size: .82rem; max-height: 24em; overflow-y: auto; }
summary { cursor: pointer; padding: 4px 0; }
footer { color: var(--soft); font-size: .85rem; padding-bottom: 24px; }
@media (max-width: 600px) {
  section { padding: 14px 12px; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .sample th, .sample td { padding-left: 4px; padding-right: 4px; } .sample .name { min-width: 6em; }
  .sample .mono { font-size: .78em; }
  main, header.top, footer { padding-left: 10px; padding-right: 10px; }
  .verdict { padding: 14px; gap: 12px; } .verdict strong { font-size: 1.4rem; } .verdict svg { width: 36px; height: 36px; }
}
@media print {
  :root { color-scheme: light; --page: #ffffff; }
  body { font-size: 11px; }
  nav { display: none; }
  section, .backends li { break-inside: auto; border-color: #bbbbbb; }
  h2, h3, thead { break-after: avoid; }
  tr, .sample, .verdict { break-inside: avoid; }
  .scroll { overflow: visible; } .sides pre { max-height: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .verdict, .badge, .heat td, .legend i, .chart, .plot, .way i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
${keyStyle}`;
