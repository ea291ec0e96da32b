/** The page before the first figures arrive. Nothing in it comes from data. */
export const consolePage: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Changeover console</title>
<link rel="stylesheet" href="/console.css">
<link rel="icon" href="data:,">
<script src="/console.js" defer></script>
</head>
<body>
<header class="top console"><h1>Changeover console</h1><p id="state" class="pill" role="status">Connecting…</p></header>
<div class="says"><p id="outcome" role="status" hidden></p><p id="locked" class="note" hidden>This page shows nothing: its address
lacks the token of the console that runs now. Open the address that <code>changeover console</code> printed.</p></div>
<main id="view"><p class="empty">Reading the migration…</p></main>
<dialog id="change" aria-labelledby="change-title" aria-describedby="plan">
<form method="dialog">
<h2 id="change-title"></h2>
<label for="reason">Reason, for the ledger</label>
<input id="reason" required maxlength="500" autocomplete="off">
<p id="plan" role="status"></p>
<p class="buttons"><button type="button" id="cancel">Cancel</button> <button type="submit" id="next">Show the plan</button></p>
</form>
</dialog>
<dialog id="again" aria-labelledby="again-title">
<h2 id="again-title"></h2>
<pre id="again-text" role="status"></pre>
<p class="typed"><code id="again-command"></code> <button type="button" id="again-copy">Copy</button></p>
<p class="buttons"><button type="button" id="again-close">Close</button></p>
</dialog>
</body>
</html>
`;
