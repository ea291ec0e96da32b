/** The page's script. The view is markup that the server escaped; whatever else is shown is set as text. */
export const consoleScript: string = `'use strict';
const byId = (id) => document.getElementById(id);
// Names of sections are shorter than any token.
if (location.hash.length > 30) {
  sessionStorage.setItem('changeover-token', location.hash.slice(1));
  history.replaceState(null, '', location.pathname + location.search);
}
const token = sessionStorage.getItem('changeover-token') || '';
const [view, state, outcome, dialog, reason, plan, next] = ['view', 'state', 'outcome', 'change', 'reason', 'plan', 'next'].map(byId);
let shown = '', asked, planned = '', busy = false;

function tell(text, kind) {
  if (state.textContent !== text) state.textContent = text;
  state.className = 'pill ' + kind;
}
// What this page shows is in its address, so that going back comes to the same rows.
let asks = new URLSearchParams(location.search), events;
function connect() {
  events?.close();
  events = new EventSource('/events?' + new URLSearchParams({ ...Object.fromEntries(asks), token, at: location.pathname }));
  events.onmessage = onMessage;
  events.addEventListener('trouble', onTrouble);
  events.onerror = onError;
}
let soon;
function ask(change, waitMs = 0) {
  for (const [name, value] of Object.entries({ page: '', ...change })) value === '' ? asks.delete(name) : asks.set(name, value);
  history.replaceState(null, '', location.pathname + (asks.size > 0 ? '?' + asks : '') + location.hash);
  clearTimeout(soon);
  soon = setTimeout(connect, waitMs);
}
function onMessage({ data }) {
  const markup = JSON.parse(data);
  tell('Live', 'good');
  if (markup === shown) return;
  shown = markup;
  const fresh = document.createElement('main');
  fresh.innerHTML = markup;
  const focused = document.activeElement;
  const wanted = view.contains(focused) ? { ...focused.dataset } : undefined;
  morphChildren(view, fresh);
  // A button that is gone hands the focus to another of its row, not to the top of the page.
  if (wanted !== undefined && document.activeElement !== focused) view.contains(focused) ? focused.focus() : focusLike(wanted);
  byId('locked').hidden = true;
}
function onTrouble({ data }) {
  const { text, help } = JSON.parse(data);
  tell(text, 'bad');
  if (shown !== '') return;
  const note = document.createElement('p');
  note.className = 'note';
  note.textContent = help;
  view.replaceChildren(note);
}
function onError() {
  tell('Not connected: what is shown may be old', 'bad');
  // A console that refuses the page ends the stream for good; one that has gone is asked again by the browser.
  if (events.readyState === EventSource.CLOSED) byId('locked').hidden = false;
}
connect();

/** Changes only what differs, so that focus, scrolled tables, selected text and opened details stay as they are. Rows and
 * buttons are told apart by their key: a button that has the focus must never become another key's. */
function morph(from, to) {
  if (from.nodeType === Node.TEXT_NODE) { if (from.data !== to.data) from.data = to.data; return; }
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  morphChildren(from, to);
}
function morphChildren(from, to) {
  const keyed = new Map([...from.children].filter(({ dataset }) => dataset.key).map((child) => [child.dataset.key, child]));
  let at = from.firstChild;
  for (const fresh of [...to.childNodes]) {
    const key = fresh.dataset?.key;
    const old = key ? keyed.get(key) : at && !at.dataset?.key ? at : undefined;
    if (old === undefined || old.nodeName !== fresh.nodeName) { from.insertBefore(fresh, at); continue; }
    if (old === at) at = at.nextSibling; else from.insertBefore(old, at);
    morph(old, fresh);
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
}
// While somebody types, each letter is not asked for.
view.addEventListener('input', ({ target }) => { if (target.id === 'filter') ask({ filter: target.value.trim() }, 150); });
view.addEventListener('change', ({ target }) => { if (target.id === 'sort') ask({ sort: target.value }); });
// Another tab has no token but the one in its address.
view.addEventListener('pointerdown', ({ target }) => {
  const link = target.closest('a');
  if (link?.origin === location.origin && link.pathname.startsWith('/keys/')) link.hash = token;
});
function focusLike({ action, backend, name }) {
  const buttons = [...view.querySelectorAll('button[data-action]')]
    .filter((one) => one.dataset.backend === backend && one.dataset.name === name);
  (buttons.find((one) => one.dataset.action === action) ?? buttons[0])?.focus();
}

view.addEventListener('click', (event) => {
  const { target } = event;
  const turn = target.closest('a[data-page]');
  if (turn !== null) {
    event.preventDefault();
    ask({ page: turn.dataset.page });
    return;
  }
  const copy = target.closest('button[data-copy]');
  if (copy !== null) return void copyText(copy, copy.dataset.copy);
  const repeat = target.closest('button[data-again]');
  if (repeat !== null) return void runAgain(repeat);
  const button = target.closest('button[data-action]');
  if (button === null) return;
  if (button.getAttribute('aria-disabled') === 'true') {
    outcome.textContent = button.getAttribute('aria-label') + ' would be refused. ' + button.title;
    outcome.hidden = false;
    outcome.scrollIntoView({ block: 'nearest' });
    return;
  }
  asked = { action: button.dataset.action, backend: button.dataset.backend, name: button.dataset.name };
  byId('change-title').textContent = button.getAttribute('aria-label');
  reason.value = '';
  startAnew();
  dialog.showModal();
  reason.focus();
});
const again = byId('again');
async function runAgain(button) {
  const { again: id } = button.dataset;
  byId('again-title').textContent = button.getAttribute('aria-label');
  byId('again-command').textContent = 'changeover reproduce ' + id;
  const text = byId('again-text');
  text.textContent = 'A program that runs is asked to make it again on both legs…';
  text.className = '';
  again.dataset.id = id;
  again.showModal();
  try {
    const response = await fetch('/reproduce', { method: 'POST', body: JSON.stringify({ id }),
      headers: { 'content-type': 'application/json', 'x-changeover-token': token } });
    const made = await response.json();
    // Another one was asked for meanwhile.
    if (again.dataset.id !== id) return;
    text.textContent = made.text;
    text.className = made.ok ? '' : 'bad';
  } catch { text.textContent = 'The console does not answer.'; }
}
async function copyText(button, line) {
  const before = button.textContent;
  try { await navigator.clipboard.writeText(line); button.textContent = 'Copied'; }
  catch { button.textContent = 'Select it and copy'; }
  setTimeout(() => { button.textContent = before; }, 1_500);
}
byId('again-copy').addEventListener('click', ({ target }) => copyText(target, byId('again-command').textContent));
byId('again-close').addEventListener('click', () => again.close());
function answer(text, bad) { plan.textContent = text; plan.className = bad ? 'bad' : ''; }
function startAnew() { planned = ''; answer('', false); next.textContent = 'Show the plan'; }
reason.addEventListener('input', startAnew);
byId('cancel').addEventListener('click', () => dialog.close());
// The browser gives the focus back to the button; where that is gone meanwhile, to its row.
dialog.addEventListener('close', () => { if (!view.contains(document.activeElement)) focusLike(asked); });
dialog.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (busy) return;
  busy = next.disabled = true;
  const { name: key, ...what } = asked;
  const request = { ...what, key, reason: reason.value, plan: planned !== reason.value };
  try {
    const response = await fetch('/change', { method: 'POST', body: JSON.stringify(request),
      headers: { 'content-type': 'application/json', 'x-changeover-token': token } });
    const { ok, text } = await response.json();
    if (ok && !request.plan) {
      outcome.textContent = text;
      outcome.hidden = false;
      dialog.close();
    } else {
      answer(text, !ok);
      if (ok) { planned = request.reason; next.textContent = 'Do it'; }
    }
  } catch { answer('The console does not answer. Whether it was changed is in: changeover history', true); }
  busy = next.disabled = false;
  if (dialog.open) (plan.className === 'bad' ? reason : next).focus();
});
`;
