import type { Stage } from '@changeover/core';
import type { KeyGate } from '../guarantees/index.ts';
import { WriteChains } from '../shadow/write-chains.ts';

/** What the router keeps of one key. */
export class KeyState {
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

export interface KeyStatesOptions {
  readonly gateFor: (key: string) => KeyGate;
  /** Told when states were forgotten: nobody may go on using one that it kept. */
  readonly onForget: () => void;
  /** Default: 10,000. */
  readonly max?: number | undefined;
}

/** The states by key, bounded: the oldest that hold nothing in flight are forgotten first. */
export class KeyStates {
  readonly #states = new Map<string, KeyState>();
  readonly #options: KeyStatesOptions;
  readonly #max: number;

  constructor(options: KeyStatesOptions) {
    this.#options = options;
    this.#max = options.max ?? 10_000;
  }

  get(key: string): KeyState {
    let state = this.#states.get(key);
    if (state === undefined) {
      if (this.#states.size >= this.#max) this.#forgetIdle();
      state = new KeyState(this.#options.gateFor(key));
      this.#states.set(key, state);
    }
    return state;
  }

  /** The states of keys with calls that have not ended. */
  busy(): readonly KeyState[] {
    return [...this.#states.values()].filter(({ gate }) => !gate.idle);
  }

  /** Keys without a call that has not ended, and their states. */
  idle(): readonly (readonly [key: string, state: KeyState])[] {
    return [...this.#states].filter(([, { gate }]) => gate.idle);
  }

  #forgetIdle(): void {
    this.#options.onForget();
    for (const [key, state] of this.#states) {
      if (!state.gate.idle) continue;
      this.#states.delete(key);
      if (this.#states.size < this.#max * 0.9) return;
    }
  }
}
