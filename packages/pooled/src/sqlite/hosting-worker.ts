import type { Worker } from 'node:worker_threads';
import { ownProgram } from '@changeover/core';
import { PendingCalls } from './pending-calls.ts';
import type { OnFailure, RequestBody, WorkerAnswer, WriteOutcome } from './pending-calls.ts';
import { SqliteHost } from './sqlite-host.ts';
import { markOf, marksLength, writeMark, writePhase } from './worker-messages.ts';
import type { WorkerMessage } from './worker-messages.ts';

/** One worker thread that hosts connections. It keeps the process alive only while something runs in it. */
export class HostingWorker extends SqliteHost {
  /** The thread itself. */
  readonly thread: Worker;
  readonly #mark: Int32Array;

  /** @param onLost called once, when the thread has ended for whatever reason. */
  constructor(onLost: () => void) {
    super(new PendingCalls('worker thread'), onLost);
    this.#mark = new Int32Array(new SharedArrayBuffer(marksLength * Int32Array.BYTES_PER_ELEMENT));
    this.thread = startWorker(this.#mark);
    this.thread.unref();
    this.thread.on('message', (messages: readonly WorkerMessage[]) => {
      for (const message of messages) this.calls.received(message);
      if (this.calls.size === 0) this.thread.unref();
    });
    this.thread.on('messageerror', (error: unknown) => {
      this.cause = error;
      void this.thread.terminate();
    });
    this.thread.on('error', (error: unknown) => {
      this.cause = error;
    });
    // Only now has every answer arrived that the thread gave before it ended.
    this.thread.on('exit', () => {
      this.thread.unref();
      this.end((call) => this.#outcomeOf(call));
    });
  }

  ask(dataset: string, request: RequestBody, onFailure: OnFailure): Promise<WorkerAnswer> {
    if (this.lost) return Promise.reject(this.calls.lostError(dataset));
    const answer = this.calls.ask(dataset, request, onFailure, (message) => {
      this.thread.postMessage(message);
    });
    if (this.calls.size === 1) this.thread.ref();
    return answer;
  }

  /** Ends the thread. A statement that runs in the engine's own code holds it up, so nobody may wait for this without a
   * limit of his own. */
  async terminate(): Promise<void> {
    await this.thread.terminate();
  }

  #outcomeOf(call: number): WriteOutcome {
    const at = markOf(call);
    if (Atomics.load(this.#mark, at + writeMark.call) !== call) return 'nothing';
    switch (Atomics.load(this.#mark, at + writeMark.phase)) {
      case writePhase.none:
        return 'nothing';
      case writePhase.committed:
        return { rowsAffected: Atomics.load(this.#mark, at + writeMark.rowsAffected) };
      default:
        return 'committing';
    }
  }
}

function startWorker(mark: Int32Array): Worker {
  const { path, execArgv } = ownProgram('@changeover/pooled/sqlite/worker', import.meta.url);
  const { Worker: Thread } = process.getBuiltinModule('node:worker_threads');
  return new Thread(path, {
    name: 'changeover-sqlite',
    workerData: { mark },
    execArgv: [...execArgv],
  });
}
