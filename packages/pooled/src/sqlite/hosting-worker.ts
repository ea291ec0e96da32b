import type { Worker } from 'node:worker_threads';
import { PendingCalls } from './pending-calls.ts';
import type {
  OnFailure,
  RequestBody,
  SqliteHost,
  WorkerAnswer,
  WriteOutcome,
} from './pending-calls.ts';
import { writeMark, writePhase } from './worker-messages.ts';
import type { WorkerReply } from './worker-messages.ts';

/** One worker thread that hosts connections. It keeps the process alive only while something runs in it. */
export class HostingWorker implements SqliteHost {
  /** The thread itself. */
  readonly thread: Worker;
  readonly #mark: Int32Array;
  readonly #calls = new PendingCalls('worker thread');
  readonly #onLost: () => void;
  #connectionNumber = 0;
  #lost = false;
  #cause: unknown;
  connections = 0;

  /** @param onLost called once, when the thread has ended for whatever reason. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
    this.#mark = new Int32Array(
      new SharedArrayBuffer(writeMark.length * Int32Array.BYTES_PER_ELEMENT),
    );
    this.thread = startWorker(this.#mark);
    this.thread.unref();
    this.thread.on('message', (reply: WorkerReply) => {
      this.#calls.answered(reply);
      if (this.#calls.size === 0) this.thread.unref();
    });
    this.thread.on('messageerror', (error: unknown) => {
      this.#cause = error;
      void this.thread.terminate();
    });
    this.thread.on('error', (error: unknown) => {
      this.#cause = error;
    });
    // Only now has every answer arrived that the thread gave before it ended.
    this.thread.on('exit', () => {
      this.#onEnd();
    });
  }

  nextConnection(): number {
    this.#connectionNumber += 1;
    return this.#connectionNumber;
  }

  get lost(): boolean {
    return this.#lost;
  }

  get running(): number {
    return this.#calls.size;
  }

  ask(dataset: string, request: RequestBody, onFailure: OnFailure): Promise<WorkerAnswer> {
    if (this.#lost) return Promise.reject(this.#calls.lostError(dataset));
    const answer = this.#calls.ask(dataset, request, onFailure, (message) => {
      this.thread.postMessage(message);
    });
    if (this.#calls.size === 1) this.thread.ref();
    return answer;
  }

  /** Ends the thread. A statement that runs in the engine's own code holds it up, so nobody may wait for this without a
   * limit of his own. */
  async terminate(): Promise<void> {
    await this.thread.terminate();
  }

  #onEnd(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.thread.unref();
    this.#onLost();
    this.#calls.lost((call) => this.#outcomeOf(call), this.#cause);
  }

  #outcomeOf(call: number): WriteOutcome {
    if (Atomics.load(this.#mark, writeMark.call) !== call) return 'nothing';
    switch (Atomics.load(this.#mark, writeMark.phase)) {
      case writePhase.none:
        return 'nothing';
      case writePhase.committed:
        return { rowsAffected: Atomics.load(this.#mark, writeMark.rowsAffected) };
      default:
        return 'committing';
    }
  }
}

/** The worker is TypeScript in the repository and JavaScript in the package; the URL has to name the one that is there. */
function startWorker(mark: Int32Array): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  const { Worker: Thread } = process.getBuiltinModule('node:worker_threads');
  return new Thread(new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url), {
    name: 'changeover-sqlite',
    workerData: { mark },
    execArgv: fromSource
      ? ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning']
      : [],
  });
}
