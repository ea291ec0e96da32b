import { types } from 'node:util';
import type { LegName } from '@changeover/core';
import type { StageSource } from '../stages/flags/stage-source.ts';
import { WiringError } from './members.ts';
import { isPromise, LegObject } from './leg-calls.ts';

/** How the legs are made, and for whom. */
export interface LegMakers<T extends object> {
  readonly name: string;
  readonly legacy: () => T | PromiseLike<T>;
  readonly pooled: () => object | PromiseLike<object>;
}

/** Both legs' objects, made once. */
export class Legs<T extends object> {
  readonly legacy: LegObject<T>;
  readonly pooled: LegObject;
  /** Settles when both are there and were checked. */
  readonly checked: Promise<void>;
  /** Both are there, and nothing is wrong with them. */
  #sound = false;
  #failure: string | undefined;

  constructor(options: LegMakers<T>, check: (legacy: T, pooled: object) => void) {
    const [madeLegacy, madePooled] = [options.legacy(), pooledOf(options)];
    for (const [leg, object] of [
      ['legacy', madeLegacy],
      ['pooled', madePooled],
    ] as const) {
      mustBeObject(options.name, leg, object);
      mustEverArrive(options.name, leg, object);
    }
    this.legacy = new LegObject(madeLegacy);
    this.pooled = new LegObject(madePooled);
    const [legacy, pooled] = [this.legacy.here, this.pooled.here];
    if (legacy !== undefined && pooled !== undefined) {
      check(legacy, pooled);
      this.checked = Promise.resolve();
      this.#sound = true;
      return;
    }
    this.checked = Promise.all([this.legacy.made, this.pooled.made]).then(() => {
      check(this.legacy.here as T, this.pooled.here as object);
      this.#sound = true;
    });
    this.checked.catch((error: unknown) => {
      this.#failure = String((error as { readonly message?: unknown } | null)?.message);
    });
  }

  /** The legs that are promised and not there yet, or can't be had. */
  get awaited(): readonly LegName[] {
    return (['legacy', 'pooled'] as const).filter((leg) => this[leg].here === undefined);
  }

  /** Every call stays with the legacy leg while the pooled one is not there, or can't be had. */
  capped(source: StageSource): StageSource {
    return {
      decide: (context) => {
        const decision = source.decide(context);
        if (this.#sound) return decision;
        const why =
          this.#failure === undefined ? 'not there yet' : `not to be had: ${this.#failure}`;
        return Object.freeze({
          ...decision,
          stage: 'legacy',
          reason: `the pooled leg is ${why}; ${decision.reason}`,
        });
      },
      subscribe: (listener) => {
        const end = source.subscribe(listener);
        // What was decided until now is remembered by the router.
        this.checked.then(listener, listener);
        return end;
      },
      status: () => source.status(),
      close: () => source.close(),
    };
  }
}

/** One that throws is as one that rejects: the calls that the legacy leg can answer must not fail by it. */
function pooledOf<T extends object>({
  pooled,
}: Pick<LegMakers<T>, 'pooled'>): object | PromiseLike<object> {
  try {
    return pooled();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** @throws {WiringError} for what is no object. */
export function mustBeObject(name: string, leg: LegName, object: unknown): void {
  if ((typeof object === 'object' && object !== null) || typeof object === 'function') return;
  throw new WiringError(
    `The ${leg} leg of "${name}" is ${String(object)}: ${leg} must give the object itself.`,
  );
}

/** A name that no object has, for one that answers every name. */
const nobodysName = 'a name that nothing has';

/** A promise that is none: its `then` was made up as any other name is, and calls back never.
 *
 * @throws {WiringError} */
function mustEverArrive(name: string, leg: LegName, object: unknown): void {
  if (!isPromise(object) || types.isPromise(object)) return;
  if (typeof (object as unknown as Record<string, unknown>)[nobodysName] !== 'function') return;
  throw new WiringError(
    `The ${leg} leg of "${name}" answers every name with a function, "then" too, so that who awaits it waits for ever: let it answer ` +
      `undefined for "then", or write ${leg}: () => an object with the methods that are declared.`,
  );
}
