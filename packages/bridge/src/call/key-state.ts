import type { Stage } from '@changeover/core';
import type { KeyGate } from '../guarantees/index.ts';
import { WriteChains } from '../shadow/write-chains.ts';

/** What the router keeps of one dataset. */
export class DatasetState {
  readonly gate: KeyGate;
  readonly chains: WriteChains = new WriteChains();
  /** The stage that each operation was last seen on, to notice a change. */
  readonly stages: Map<string, Stage> = new Map<string, Stage>();
  /** The change of stage that was told last, since all operations usually change together. */
  lastChange = '';

  constructor(gate: KeyGate) {
    this.gate = gate;
  }
}

export interface DatasetStatesOptions {
  readonly gateFor: (dataset: string) => KeyGate;
  /** Told when states were forgotten: nobody may go on using one that it kept. */
  readonly onForget: () => void;
  /** Default: 10,000. */
  readonly max?: number | undefined;
}

/** The states by dataset, bounded: the oldest that hold nothing in flight are forgotten first. */
export class DatasetStates {
  readonly #states = new Map<string, DatasetState>();
  readonly #options: DatasetStatesOptions;
  readonly #max: number;

  constructor(options: DatasetStatesOptions) {
    this.#options = options;
    this.#max = options.max ?? 10_000;
  }

  get(dataset: string): DatasetState {
    let state = this.#states.get(dataset);
    if (state === undefined) {
      if (this.#states.size >= this.#max) this.#forgetIdle();
      state = new DatasetState(this.#options.gateFor(dataset));
      this.#states.set(dataset, state);
    }
    return state;
  }

  /** The states of keys with calls that have not ended. */
  busy(): readonly DatasetState[] {
    return [...this.#states.values()].filter(({ gate }) => !gate.idle);
  }

  #forgetIdle(): void {
    this.#options.onForget();
    for (const [dataset, state] of this.#states) {
      if (!state.gate.idle) continue;
      this.#states.delete(dataset);
      if (this.#states.size < this.#max * 0.9) return;
    }
  }
}
