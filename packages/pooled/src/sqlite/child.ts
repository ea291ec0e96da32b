import { inPieces } from './answer-pieces.ts';
import { pipedMarks } from './commit-marks.ts';
import { ConnectionHost } from './connection-host.ts';
import { childReady, commitMarksFd } from './worker-messages.ts';
import type { WorkerPiece, WorkerRequest } from './worker-messages.ts';

// Runs in a child process; loaded elsewhere it does nothing.
if (process.send !== undefined && process.env['CHANGEOVER_SQLITE_CHILD'] !== undefined) {
  const host = new ConnectionHost(pipedMarks(commitMarksFd));
  const requests: WorkerRequest[] = [];
  let answering = false;
  const send = (piece: WorkerPiece): void => {
    process.send?.(piece);
  };
  // An answer has left before the next statement begins: that may block this process for good.
  const next = (): void => {
    const request = requests.shift();
    answering = request !== undefined;
    if (request === undefined) return;
    for (const message of inPieces(host.perform(request, send)))
      process.send?.(message, undefined, undefined, 'piece' in message ? undefined : next);
  };
  process.on('message', (request: WorkerRequest) => {
    requests.push(request);
    if (!answering) next();
  });
  process.on('disconnect', () => {
    process.exit();
  });
  // A signal to the whole group (Ctrl-C) is for the parent to answer, which may want to finish what runs here.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => undefined);
  process.send(childReady);
}
