import { EventEmitter } from 'node:events';
import type { Logger } from '@changeover/core';
import { askForComparison, isForComparison } from '../guarantees/index.ts';
import type { Method } from './members.ts';

type EventName = string | symbol;

/** The methods of Node's `EventEmitter` by which listeners are kept. `emit` is no part: it is the legs' own. */
const listenerMethods = new Set([
  'on',
  'addListener',
  'once',
  'prependListener',
  'prependOnceListener',
  'off',
  'removeListener',
  'removeAllListeners',
  'listeners',
  'rawListeners',
  'listenerCount',
  'eventNames',
  'setMaxListeners',
  'getMaxListeners',
]);

/** Where the events of a bridge come from. */
export interface EventLegs {
  /** Both legs, as far as they are there. */
  legs(): readonly (object | undefined)[];
  /** Settles when both are. */
  made(): Promise<unknown>;
  /** What listeners have as `this`: the bridge. */
  self(): object;
  logger(): Logger;
}

/**
 * The listeners of a bridge over event emitters. They hear both legs, since a call's events come from the leg that made it, and
 * nothing of the calls that are made for comparison.
 */
export class BridgedEvents {
  readonly #of: EventLegs;
  readonly #hub = new EventEmitter();
  /** What listens on a leg, by event. */
  readonly #forwards = new Map<EventName, { readonly forward: Method; readonly on: Set<object> }>();
  #toldOfSilence = false;
  #waits = false;

  constructor(of: EventLegs) {
    this.#of = of;
  }

  /** The bridge's function in place of an emitter's own; undefined for any other function. */
  method(name: PropertyKey, source: Method): Method | undefined {
    if (typeof name !== 'string' || !listenerMethods.has(name)) return undefined;
    const own = (EventEmitter.prototype as unknown as Record<string, unknown>)[name];
    if (source !== own) return undefined;
    return (...args) => {
      const answer = this.#apply(name, source, args);
      this.refresh();
      return answer === this.#hub ? this.#of.self() : answer;
    };
  }

  /** Listens on both legs for what somebody listens for, and for nothing else: an `error` that nobody hears must throw. */
  refresh(): void {
    const names = this.#hub.eventNames();
    for (const name of names) this.#listen(name);
    for (const name of [...this.#forwards.keys()]) if (!names.includes(name)) this.#ignore(name);
  }

  #apply(name: string, source: Method, args: readonly unknown[]): unknown {
    const [event, listener] = args as [EventName, Method];
    const isOnce = name === 'once' || name === 'prependOnceListener';
    if (!isOnce || typeof listener !== 'function') return Reflect.apply(source, this.#hub, args);
    const hub = this.#hub;
    // Node's own would have the hub as `this`.
    const once = function (this: unknown, ...given: readonly unknown[]): unknown {
      hub.removeListener(event, once);
      return Reflect.apply(listener, this, given);
    };
    once.listener = listener;
    return name === 'once' ? hub.on(event, once) : hub.prependListener(event, once);
  }

  #listen(name: EventName): void {
    let known = this.#forwards.get(name);
    if (known === undefined) {
      known = { forward: this.#forward(name), on: new Set() };
      this.#forwards.set(name, known);
      askForComparison();
    }
    for (const leg of this.#of.legs()) {
      if (leg === undefined) this.#refreshLater();
      else if (known.on.has(leg)) continue;
      else if (leg instanceof EventEmitter) {
        leg.on(name, known.forward);
        known.on.add(leg);
      } else this.#tellOfSilence();
    }
  }

  #refreshLater(): void {
    if (this.#waits) return;
    this.#waits = true;
    void this.#of.made().then(
      () => {
        this.#waits = false;
        this.refresh();
      },
      // A leg that can't be had is told of where it is made.
      () => undefined,
    );
  }

  #ignore(name: EventName): void {
    const known = this.#forwards.get(name);
    this.#forwards.delete(name);
    for (const leg of known?.on ?? []) (leg as EventEmitter).off(name, known?.forward as Method);
  }

  #forward(name: EventName): Method {
    return (...args) => {
      if (isForComparison()) return;
      try {
        for (const listener of this.#hub.rawListeners(name))
          Reflect.apply(listener, this.#of.self(), args);
      } finally {
        if (this.#hub.listenerCount(name) === 0) this.#ignore(name);
      }
    };
  }

  #tellOfSilence(): void {
    if (this.#toldOfSilence) return;
    this.#toldOfSilence = true;
    this.#of
      .logger()
      .warn({}, 'the pooled leg is no EventEmitter: listeners hear nothing of the calls it makes');
  }
}
