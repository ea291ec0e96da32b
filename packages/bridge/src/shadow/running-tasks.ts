import type { Clock } from '@changeover/core';
import type { ShedReason } from '../recorder/shed-reason.ts';
import type { ShadowTask } from './waiting-tasks.ts';

interface Running {
  readonly controller: AbortController;
  giveUp(reason: ShedReason): void;
}

/** Tasks that run, and those that were given up and don't end. */
export class RunningTasks {
  readonly #clock: Clock;
  readonly #onReleased: (task: ShadowTask, tookMs: number) => void;
  readonly #running = new Set<Running>();
  #byQuota = 0;
  #abandoned = 0;

  /** @param onReleased told once of each task that has ended, or was given up. */
  constructor(clock: Clock, onReleased: (task: ShadowTask, tookMs: number) => void) {
    this.#clock = clock;
    this.#onReleased = onReleased;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Of them those that are of a quota. */
  get byQuota(): number {
    return this.#byQuota;
  }

  /** Of them those that are of what all share. */
  get shared(): number {
    return this.#running.size - this.#byQuota;
  }

  /** Work that outlived its deadline and doesn't end. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Begins a task, and gives it up after so long. */
  start(task: ShadowTask, leftMs: number): void {
    const controller = new AbortController();
    const startedMs = this.#clock.monotonicMs();
    let ended = false;
    const release = (): void => {
      this.#running.delete(running);
      if (task.quota === true) this.#byQuota -= 1;
      this.#onReleased(task, this.#clock.monotonicMs() - startedMs);
    };
    const giveUp = (reason: ShedReason): void => {
      if (ended || !this.#running.has(running)) return;
      this.#abandoned += 1;
      task.shed(reason);
      release();
    };
    const running: Running = { controller, giveUp };
    this.#running.add(running);
    if (task.quota === true) this.#byQuota += 1;
    const timer = this.#clock.after(leftMs, () => {
      controller.abort(new Error(`the shadow's deadline of ${String(task.deadlineMs)} ms passed`));
      giveUp('deadline');
    });
    const end = (): void => {
      ended = true;
      timer.cancel();
      if (this.#running.has(running)) release();
      else this.#abandoned -= 1;
    };
    // The task reports by itself; an error that escapes it must not end the process.
    task.run(controller.signal).then(end, end);
  }

  /** Aborts what runs. */
  close(): void {
    for (const { controller, giveUp } of this.#running) {
      controller.abort(new Error('the bridge is closing'));
      giveUp('closing');
    }
  }
}
