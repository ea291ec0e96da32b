import type { LegName, Logger } from '@changeover/core';
import type { CallOf } from './backend-router.ts';
import { BridgedEvents } from './bridged-events.ts';
import { bridgeProxy } from './bridge-proxy.ts';
import { tellCallback } from './callbacks.ts';
import type { Method } from './invoke.ts';
import type { Legs } from './legs.ts';
import { restoreProperty, setProperty } from './set-property.ts';
import { type Member, ownerOf, WiringError } from './wiring.ts';

/** What the object needs of its bridge. */
export interface ObjectBridging<T extends object> {
  readonly name: string;
  readonly members: readonly Member[];
  /** The legacy object is a function or a class. */
  readonly callable: boolean;
  /** Both legs; makes them at the first use. */
  legs(): Legs<T>;
  /** A declared operation by the router; makes it at the first call. */
  routed(operation: string): CallOf;
  /** The leg that answers for properties. */
  answering(): LegName;
  /** A method that was not declared is called. */
  undeclared(name: string): void;
  logger(): Logger;
}

/** What stands in the legs' place. */
export interface BridgedObject<T extends object> {
  readonly object: T;
  /** The bridge's own object in place of a leg's, or of one inside it; any other value as it is. A leg that gives itself would let its
   * caller go past the bridge. */
  readonly own: (value: unknown) => unknown;
}

/** Makes the object that stands in the legacy object's place. */
export function bridgedObject<T extends object>(bridging: ObjectBridging<T>): BridgedObject<T> {
  const places = new Places<T>();
  const { object } = new Place(bridging, [], places);
  return { object, own: (value) => places.own(value) };
}

/** Every place of one bridge. */
class Places<T extends object> {
  readonly #all: Place<T>[] = [];

  add(place: Place<T>): void {
    this.#all.push(place);
  }

  own(value: unknown): unknown {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
    for (const place of this.#all) if (place.stands(value)) return place.object;
    return value;
  }
}

/** The legacy object's place, or that of an object inside it. */
class Place<T extends object> {
  readonly object: T;
  readonly #path: readonly string[];
  readonly #bridging: ObjectBridging<T>;
  #made: Legs<T> | undefined;
  readonly #places: Places<T>;
  readonly #declared: ReadonlyMap<string, Member>;
  readonly #inside = new Map<string, Place<T>>();

  constructor(bridging: ObjectBridging<T>, path: readonly string[], places: Places<T>) {
    this.#bridging = bridging;
    this.#path = path;
    this.#places = places;
    places.add(this);
    const within = bridging.members.filter((member) =>
      path.every((name, at) => member.path[at] === name),
    );
    this.#declared = new Map(
      within
        .filter((member) => member.path.length === path.length + 1)
        .map((member) => [member.path.at(-1) ?? '', member]),
    );
    for (const { path: whole } of within) {
      const name = whole[path.length];
      if (name === undefined || whole.length === path.length + 1 || this.#inside.has(name))
        continue;
      this.#inside.set(name, new Place(bridging, [...path, name], places));
    }
    this.object = this.#proxy();
  }

  /** Both legs, which are made once. Asked at each call. */
  #both(): Legs<T> {
    return (this.#made ??= this.#bridging.legs());
  }

  #proxy(): T {
    const events = new BridgedEvents({
      legs: () => this.#legs(),
      made: () => this.#both().pooled.made,
      self: () => this.object,
      logger: () => this.#bridging.logger(),
    });
    return bridgeProxy<T>(
      () => this.#legacy(),
      {
        method: (name) => {
          const member = this.#declared.get(name);
          return member && this.#method(member);
        },
        inside: (name) => this.#inside.get(name)?.object,
        here: () => {
          const { here } = this.#both().legacy;
          return here && this.#at(here);
        },
        value: (name) => this.#value(name),
        set: (name, value) => this.#set(name, value),
        remove: (name) =>
          !this.#onEachLeg((leg) => Reflect.deleteProperty(leg, name)).includes(false),
        restore: (name) => this.#onEachLeg((leg) => restoreProperty(leg, name)).includes(true),
        undeclared: (name, method) => events.method(name, method) ?? this.#undeclared(name, method),
      },
      this.#path.length === 0 && this.#bridging.callable,
    );
  }

  #method({ operation, spec }: Member): Method {
    let make: CallOf = (args) => {
      make = this.#bridging.routed(operation);
      return make(args);
    };
    const call: Method = (...args) => make(args);
    if (!('callback' in spec) || spec.callback !== 'last') return call;
    return (...args) => {
      const callback = args.at(-1);
      // Many libraries promise where no callback is given.
      if (typeof callback !== 'function') return call(...args);
      tellCallback(make(args.slice(0, -1)) as Promise<unknown>, callback as Method);
      return undefined;
    };
  }

  /** Whether this is in the place of a leg's object. */
  stands(object: object): boolean {
    const { legacy, pooled } = this.#both();
    return (
      (legacy.here !== undefined && this.#at(legacy.here) === object) ||
      (pooled.here !== undefined && this.#at(pooled.here) === object)
    );
  }

  #value(name: PropertyKey): unknown {
    const [legacy, pooled] = this.#legsWith(name);
    const object =
      pooled !== undefined && this.#bridging.answering() === 'pooled' ? pooled : legacy;
    return this.#places.own(Reflect.get(object, name, object));
  }

  #set(name: PropertyKey, value: unknown): boolean {
    const [legacy, pooled] = this.#legsWith(name);
    return pooled !== undefined && this.#bridging.answering() === 'pooled'
      ? setProperty(pooled, legacy, name, value)
      : setProperty(legacy, pooled, name, value);
  }

  #onEachLeg(change: (leg: T) => boolean): boolean[] {
    return this.#legs().flatMap((leg) => (leg === undefined ? [] : [change(leg)]));
  }

  #undeclared(name: PropertyKey, method: Method): Method {
    return (...args) => {
      const legacy = this.#legacy();
      if (typeof name === 'string') this.#bridging.undeclared([...this.#path, name].join('.'));
      return this.#places.own(Reflect.apply(method, legacy, args));
    };
  }

  /** The legs' objects here; undefined for a pooled leg that is not there, or lacks the property. */
  #legsWith(name: PropertyKey): readonly [T, T | undefined] {
    const [legacy, pooled] = this.#legs();
    return [legacy, pooled !== undefined && Reflect.has(pooled, name) ? pooled : undefined];
  }

  /** The legs' objects here; undefined for a pooled leg that is not there yet. */
  #legs(): readonly [T, T | undefined] {
    const pooled = this.#both().pooled.here;
    return [this.#legacy(), pooled && this.#at(pooled)];
  }

  #legacy(): T {
    const legacy = this.#both().legacy.here;
    if (legacy === undefined)
      throw new WiringError(
        `The legacy object of "${this.#bridging.name}" is promised and not there yet: await bridgeOf(object).ready() before the first use.`,
      );
    return this.#at(legacy) as T;
  }

  #at(object: object): T | undefined {
    return (this.#path.length === 0 ? object : ownerOf(object, { path: [...this.#path, ''] })) as
      T | undefined;
  }
}
