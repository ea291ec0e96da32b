import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { HostingWorker } from './hosting-worker.ts';

/** The worker threads of one factory, shared by all its SQLite connections: about one a core, at least two, so that one
 * long statement doesn't hold up everything. Started when first needed; one that dies is replaced. */
export class WorkerSet {
  readonly size: number;
  readonly #onWorker: (worker: Worker) => void;
  readonly #workers: (HostingWorker | undefined)[];

  /** @param onWorker told of each thread that is started. */
  constructor(
    onWorker: (worker: Worker) => void = () => undefined,
    size: number = Math.max(2, availableParallelism()),
  ) {
    this.#onWorker = onWorker;
    this.size = size;
    this.#workers = Array.from({ length: size }, () => undefined);
  }

  /** The worker for one more connection: a live one with the least to do, or a new one while there are fewer than may be. */
  choose(): HostingWorker {
    let best: HostingWorker | undefined;
    for (let index = 0; index < this.size; index += 1) {
      const worker = this.#workers[index];
      if (worker === undefined) {
        if (best === undefined || best.connections > 0) return this.#start(index);
      } else if (best === undefined || isFreer(worker, best)) {
        best = worker;
      }
    }
    return best ?? this.#start(0);
  }

  /** Threads that live. */
  get alive(): number {
    return this.#workers.filter((worker) => worker !== undefined).length;
  }

  /** Requests under way in all threads. */
  get running(): number {
    return this.#workers.reduce((sum, worker) => sum + (worker?.running ?? 0), 0);
  }

  /** Ends all threads; what runs in them is rejected when they have ended. */
  async terminate(): Promise<void> {
    const live = this.#workers.filter((worker) => worker !== undefined);
    await Promise.all(live.map((worker) => worker.terminate()));
  }

  #start(index: number): HostingWorker {
    const worker = new HostingWorker(() => {
      if (this.#workers[index] === worker) this.#workers[index] = undefined;
    });
    this.#workers[index] = worker;
    this.#onWorker(worker.thread);
    return worker;
  }
}

function isFreer(a: HostingWorker, b: HostingWorker): boolean {
  return a.running !== b.running ? a.running < b.running : a.connections < b.connections;
}
