import { parentPort, workerData } from 'node:worker_threads';
import { sharedMarks } from './commit-marks.ts';
import { ConnectionHost } from './connection-host.ts';
import type { WorkerRequest } from './worker-messages.ts';

// Runs in a worker thread; loaded elsewhere it does nothing.
if (parentPort !== null) {
  const port = parentPort;
  const { mark } = workerData as { readonly mark: Int32Array };
  const host = new ConnectionHost(sharedMarks(mark));
  port.on('message', (request: WorkerRequest) => {
    port.postMessage(host.perform(request));
  });
}
