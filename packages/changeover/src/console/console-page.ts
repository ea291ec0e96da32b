import { pageStyle } from '../report/html/page-style.ts';

/** The page before the first figures arrive. Nothing in it comes from data. */
export const consolePage: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Changeover console</title>
<link rel="stylesheet" href="/console.css">
<link rel="icon" href="data:,">
<script src="/console.js" defer></script>
</head>
<body>
<header class="top"><h1>Changeover console</h1><p id="state" role="status" class="soft small">Connecting…</p></header>
<main id="view"></main>
<dialog id="change" aria-labelledby="change-title">
<form method="dialog">
<h2 id="change-title"></h2>
<label for="reason">Reason, for the ledger</label>
<input id="reason" required maxlength="500" autocomplete="off">
<p id="plan" role="status"></p>
<p class="buttons"><button type="button" id="cancel">Cancel</button> <button type="submit" id="next">Show the plan</button></p>
</form>
</dialog>
</body>
</html>
`;

/** The report's style and what a page with buttons needs besides. */
export const consoleStyle: string = `${pageStyle}
.note { border-left: 4px solid var(--open); padding: 6px 12px; background: var(--card); }
.buttons { display: flex; flex-wrap: wrap; gap: 6px; }
button { font: inherit; font-size: .85rem; color: var(--text); background: var(--code); border: 1px solid var(--soft);
  border-radius: 6px; padding: 3px 9px; cursor: pointer; white-space: nowrap; }
button[data-action="rollback"], button[data-action="kill"] { border-color: var(--bad); color: var(--bad); white-space: normal; }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 3px solid var(--pooled); outline-offset: 2px; }
.stage { font-weight: 600; }
.timeline { padding-left: 18px; }
.timeline li { margin-bottom: 6px; }
dialog { width: min(520px, calc(100vw - 24px)); color: var(--text); background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
dialog::backdrop { background: #0008; }
dialog input { display: block; width: 100%; font: inherit; padding: 6px; margin: 4px 0 10px; color: var(--text);
  background: var(--page); border: 1px solid var(--soft); border-radius: 6px; }
#plan { white-space: pre-line; }
`;

/** The page's script. The view is markup that the server escaped; whatever else is shown is set as text. */
export const consoleScript: string = `'use strict';
const byId = (id) => document.getElementById(id);
if (location.hash.length > 1) {
  sessionStorage.setItem('changeover-token', location.hash.slice(1));
  history.replaceState(null, '', location.pathname);
}
const token = sessionStorage.getItem('changeover-token') || '';
const [view, state, dialog, reason, plan, next] = ['view', 'state', 'change', 'reason', 'plan', 'next'].map(byId);
let shown = '', asked, planned = '', busy = false;

const events = new EventSource('/events');
events.onmessage = ({ data }) => {
  const markup = JSON.parse(data);
  state.textContent = 'Live';
  if (markup === shown) return;
  shown = markup;
  const focused = document.activeElement && document.activeElement.dataset ? { ...document.activeElement.dataset } : {};
  view.innerHTML = markup;
  if (focused.action) [...view.querySelectorAll('button')].find(({ dataset }) => dataset.action === focused.action &&
    dataset.engine === focused.engine && dataset.dataset === focused.dataset)?.focus();
};
events.addEventListener('trouble', ({ data }) => { state.textContent = JSON.parse(data); });
events.onerror = () => { state.textContent = 'Not connected: what is shown may be old.'; };

view.addEventListener('click', ({ target }) => {
  const button = target.closest('button[data-action]');
  if (button === null) return;
  asked = { action: button.dataset.action, engine: button.dataset.engine, dataset: button.dataset.dataset };
  byId('change-title').textContent = button.getAttribute('aria-label');
  reason.value = '';
  startAnew();
  dialog.showModal();
  reason.focus();
});
function startAnew() { planned = ''; plan.textContent = ''; next.textContent = 'Show the plan'; }
reason.addEventListener('input', startAnew);
byId('cancel').addEventListener('click', () => dialog.close());
dialog.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (busy) return;
  busy = next.disabled = true;
  const request = { ...asked, reason: reason.value, plan: planned !== reason.value };
  try {
    const answer = await fetch('/change', { method: 'POST', body: JSON.stringify(request),
      headers: { 'content-type': 'application/json', 'x-changeover-token': token } });
    const { ok, text } = await answer.json();
    plan.textContent = text;
    if (ok && request.plan) { planned = request.reason; next.textContent = 'Do it'; }
    else if (ok) { state.textContent = text; dialog.close(); }
  } catch { plan.textContent = 'The console does not answer. Whether it was changed is in: changeover history'; }
  busy = next.disabled = false;
});
`;
