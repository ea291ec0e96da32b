import { fewestPacked, packRows, piecesOf } from './packed-rows.ts';
import type { WorkerMessage, WorkerReply } from './worker-messages.ts';

/** A reply as it is sent: one of many rows in pieces that each go off as soon as it is packed, and the reply without rows after
 * them. */
export function* inPieces(reply: WorkerReply): Generator<WorkerMessage, void> {
  if (reply.outcome !== 'done' || reply.answer.rows !== 'cells') {
    yield reply;
    return;
  }
  const { columns, cells } = reply.answer;
  if (cells.length < fewestPacked) {
    yield reply;
    return;
  }
  for (let from = 0; from < cells.length; from += piecesOf) {
    const piece = packRows(cells, from, Math.min(cells.length, from + piecesOf));
    yield { call: reply.call, columns, piece };
  }
  yield { ...reply, answer: { rows: 'cells', columns, cells: [] } };
}
