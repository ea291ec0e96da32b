import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { inPieces } from './answer-pieces.ts';
import { sharedMarks } from './commit-marks.ts';
import { ConnectionHost } from './connection-host.ts';
import { mostHeldAnswers } from './worker-messages.ts';
import type { WorkerPiece, WorkerReply, WorkerRequest } from './worker-messages.ts';

// Runs in a worker thread; loaded elsewhere it does nothing.
if (parentPort !== null) {
  const port = parentPort;
  const { mark } = workerData as { readonly mark: Int32Array };
  const host = new ConnectionHost(sharedMarks(mark));
  const send = (piece: WorkerPiece): void => {
    port.postMessage([piece]);
  };
  port.on('message', (first: WorkerRequest) => {
    let held: WorkerReply[] = [];
    let request: WorkerRequest | undefined = first;
    while (request !== undefined) {
      for (const message of inPieces(host.perform(request, send))) {
        if ('piece' in message) send(message);
        else held.push(message);
      }
      const next = receiveMessageOnPort(port)?.message as WorkerRequest | undefined;
      if (held.length >= mostHeldAnswers || next === undefined || !host.isQuick(request, next)) {
        port.postMessage(held);
        held = [];
      }
      request = next;
    }
  });
}
