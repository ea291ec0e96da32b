import { standsFor, WiringError } from '@changeover/bridge';
import type { BridgedQueries } from './bridged-queries.ts';
import type { KnexClient } from './knex-client.ts';

/** How a {@link BridgedLife} is made. */
export interface BridgedLifeOptions {
  readonly legacy: KnexClient;
  /** Makes what stands behind the instance, at first and when it is initialized again. */
  readonly make: () => BridgedQueries;
  /** Why it can't be initialized again. Undefined: it can. */
  readonly refusal: string | undefined;
}

/** A bridged instance from its making to its `destroy()`, and from its `initialize()` after that. */
export class BridgedLife {
  readonly legacy: KnexClient;
  queries: BridgedQueries;
  /** Both legs have ended. */
  isOver = false;
  readonly #options: BridgedLifeOptions;
  #standIn: object | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: BridgedLifeOptions) {
    this.legacy = options.legacy;
    this.queries = options.make();
    this.#options = options;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** The instance that callers see: `bridgeOf` knows what stands behind it from now on. */
  standsBehind<T extends object>(standIn: T): T {
    this.#standIn = standIn;
    return standsFor(standIn, this.queries.api);
  }

  /** Ends both instances and the bridge; a second time it is the same end. The legacy pool's begins in this tick, as Knex's does. */
  destroy(): Promise<void> {
    this.#ending ??= this.queries.destroy().finally(() => {
      this.isOver = true;
    });
    return this.#ending;
  }

  /**
   * Begins again with the same instances. Nothing is done where it is not over.
   *
   * @throws {WiringError} where something that the end has closed was the program's own.
   */
  revive(poolConfig: unknown): void {
    if (!this.isOver) return;
    if (this.#options.refusal !== undefined) throw new WiringError(this.#options.refusal);
    this.legacy.initializePool(poolConfig);
    this.queries = this.#options.make();
    this.#ending = undefined;
    this.isOver = false;
    if (this.#standIn !== undefined) this.standsBehind(this.#standIn);
  }
}
