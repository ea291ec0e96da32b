export const keysAPage = 25;

/** The report's only script: pages, order and filter of the keys, and one key's details. What is shown of data is set as text, but for
 * the details, which are markup that was escaped when the report was made. */
export const keysScript: string = `'use strict';
const byId = (id) => document.getElementById(id);
const { backends, stages, problems, rows, details } = JSON.parse(byId('keys-data').textContent);
const [BACKEND, KEY, NAME, STAGE, PROBLEM, CALLS, FAILED, COMPARED, MISMATCH, SEEN, WHY] = Array(11).keys();
const many = ${String(keysAPage)};
let page = 0;
const lines = rows.map((row, at) => ({ row, at,
  text: (backends[row[BACKEND]] + '/' + row[KEY] + ' ' + stages[row[STAGE]] + ' ' + problems[row[PROBLEM]][0]).toLowerCase() }));
const down = (column) => (a, b) => b.row[column] - a.row[column] || a.at - b.at;
const orders = {
  problem: (a, b) => a.at - b.at,
  key: (a, b) => (a.row[KEY] < b.row[KEY] ? -1 : a.row[KEY] > b.row[KEY] ? 1 : a.at - b.at),
  stage: down(STAGE), calls: down(CALLS), failed: down(FAILED), mismatches: down(MISMATCH), 'last seen': down(SEEN),
};
const number = (count) => count.toLocaleString('en-US');
function make(tag, kind, ...content) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...content);
  return element;
}
function seen(at) {
  const text = new Date(at).toISOString();
  return [make('span', 'nowrap', text.slice(0, 10)), ' ', make('span', 'nowrap', text.slice(11, 16))];
}
function rowOf({ row }) {
  const isolated = (text) => make('bdi', '', text);
  const link = make('a', '', isolated(row[NAME]));
  link.href = '#' + placeOf(row);
  const way = make('span', 'way', ...stages.map((_, at) => make('i', at <= row[STAGE] ? 'fill-' + stages[row[STAGE]] : '')));
  way.setAttribute('aria-hidden', 'true');
  const notable = (count) => (count > 0 ? make('span', 'bad', number(count)) : '0');
  const cells = [
    ['key', 'subject', link, ' ', make('span', 'soft small', backends[row[BACKEND]])],
    ['stage', 'key-status', way, make('span', 'stage ' + stages[row[STAGE]], stages[row[STAGE]])],
    ['state', 'state', make('span', 'pill ' + problems[row[PROBLEM]][1], problems[row[PROBLEM]][0])],
    ['why', 'why', isolated(row[WHY])],
    ['calls', 'number', number(row[CALLS])], ['failed', 'number', notable(row[FAILED])],
    ['compared', 'number', number(row[COMPARED])], ['mismatches', 'number', notable(row[MISMATCH])],
    ['last seen', 'seen', ...(row[SEEN] === 0 ? ['–'] : seen(row[SEEN] * 1000))],
  ].map(([title, kind, ...content], at) => {
    const cell = make('td', kind, ...content);
    cell.dataset.title = title;
    cell.setAttribute('role', at === 0 ? 'rowheader' : 'cell');
    return cell;
  });
  const line = make('tr', '', ...cells);
  line.setAttribute('role', 'row');
  line.dataset.key = backends[row[BACKEND]] + '/' + row[KEY];
  return line;
}
function draw() {
  const words = byId('keys-filter').value.toLowerCase().split(/\\s+/).filter(Boolean);
  const found = lines.filter(({ text }) => words.every((word) => text.includes(word))).sort(orders[byId('keys-sort').value]);
  const pages = Math.max(1, Math.ceil(found.length / many));
  page = Math.min(page, pages - 1);
  document.querySelector('#keys-list tbody').replaceChildren(...found.slice(page * many, (page + 1) * many).map(rowOf));
  byId('keys-count').textContent = found.length === 0 ? 'No key is called that.'
    : number(page * many + 1) + ' to ' + number(Math.min(found.length, (page + 1) * many)) + ' of ' + number(found.length)
      + (found.length === 1 ? ' key' : ' keys') + (found.length < lines.length ? ' found in ' + number(lines.length) : '');
  byId('keys-pages').hidden = pages === 1;
  byId('keys-page').textContent = 'Page ' + number(page + 1) + ' of ' + number(pages);
  byId('keys-before').disabled = page === 0;
  byId('keys-next').disabled = page === pages - 1;
}
function placeOf(row) { return 'key/' + encodeURIComponent(backends[row[BACKEND]]) + '/' + encodeURIComponent(row[KEY]); }
function show() {
  const at = rows.findIndex((row) => '#' + placeOf(row) === location.hash);
  byId('keys-list').hidden = at >= 0;
  byId('key-view').hidden = at < 0;
  if (at < 0) return;
  const row = rows[at];
  byId('key-name').replaceChildren(rowOf(lines[at]).querySelector('bdi'), ' ', make('span', 'soft small', backends[row[BACKEND]]));
  const detail = byId('key-detail');
  if (at >= details.length) {
    const command = make('code', '', 'changeover explain ' + backends[row[BACKEND]] + ' ' + row[KEY]);
    detail.replaceChildren(make('p', '', 'On ' + stages[row[STAGE]] + ': ' + problems[row[PROBLEM]][0] + '. ' + row[WHY]),
      make('p', 'soft', 'This page has no room for the details of every key: ', command, ' and the console have them.'));
  } else detail.innerHTML = details[at];
  byId('keys').scrollIntoView();
}
const again = () => { page = 0; draw(); };
byId('keys-sort').addEventListener('change', again);
byId('keys-filter').addEventListener('input', again);
byId('keys-before').addEventListener('click', () => { page -= 1; draw(); });
byId('keys-next').addEventListener('click', () => { page += 1; draw(); });
addEventListener('hashchange', show);
byId('keys-tools').hidden = lines.length < 2;
draw();
show();
`;

/** For the page's policy: this script may run, and no other. */
export function keysScriptHash(): string {
  // Loaded with the first report: importing it would be some milliseconds of each program's start.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return `sha256-${createHash('sha256').update(keysScript).digest('base64')}`;
}
