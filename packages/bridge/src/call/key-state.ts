import type { Stage } from '@changeover/core';
import { WriteBarrier } from './write-barrier.ts';
import { WriteChains } from '../shadow/write-chains.ts';

/** What the router keeps of one dataset. */
export class DatasetState {
  readonly barrier: WriteBarrier = new WriteBarrier();
  readonly chains: WriteChains = new WriteChains();
  /** The stage that each operation was last seen on, to notice a change. */
  readonly stages: Map<string, Stage> = new Map<string, Stage>();
  /** The change of stage that was told last, since all operations usually change together. */
  lastChange = '';
}

/** The states by dataset, bounded: the oldest that hold nothing in flight are forgotten first. */
export class DatasetStates {
  readonly #states = new Map<string, DatasetState>();
  readonly #onForget: () => void;
  readonly #max: number;

  /** @param onForget told when states were forgotten: nobody may go on using one that it kept. */
  constructor(onForget: () => void, max = 10_000) {
    this.#onForget = onForget;
    this.#max = max;
  }

  get(dataset: string): DatasetState {
    let state = this.#states.get(dataset);
    if (state === undefined) {
      if (this.#states.size >= this.#max) this.#forgetIdle();
      state = new DatasetState();
      this.#states.set(dataset, state);
    }
    return state;
  }

  #forgetIdle(): void {
    this.#onForget();
    for (const [dataset, state] of this.#states) {
      if (!state.barrier.idle) continue;
      this.#states.delete(dataset);
      if (this.#states.size < this.#max * 0.9) return;
    }
  }
}
