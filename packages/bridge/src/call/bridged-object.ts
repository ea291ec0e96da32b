import { inspect, type InspectOptions } from 'node:util';
import type { LegName, Logger } from '@changeover/core';
import { BridgedEvents } from './bridged-events.ts';
import { tellCallback } from './callbacks.ts';
import { type ListCall, type Member, type Method, ownerOf, WiringError } from './members.ts';
import type { Legs } from './legs.ts';
import { isClass } from './method-names.ts';
import { restoreProperty, setProperty } from './set-property.ts';

/** What the object needs of its bridge. */
export interface ObjectBridging<T extends object> {
  readonly name: string;
  readonly members: readonly Member[];
  /** The legacy object is a function or a class. */
  readonly callable: boolean;
  /** Both legs; makes them at the first use. */
  legs(): Legs<T>;
  /** A declared operation by the router; makes it at the first call. */
  routed(operation: string): ListCall;
  /** The leg that answers for properties. */
  answering(): LegName;
  /** A method that was not declared is called. */
  undeclared(name: string): void;
  logger(): Logger;
}

/** What stands in the legacy object's place. */
export interface BridgedObject<T extends object> {
  readonly object: T;
  /** An answer as its caller gets it: a leg that gives itself, or an object inside it, would let its caller go past the bridge. */
  readonly own: (value: unknown) => unknown;
}

/** Makes the object that stands in the legacy object's place. */
export function bridgedObject<T extends object>(bridging: ObjectBridging<T>): BridgedObject<T> {
  const place = new Place(bridging, [], []);
  return { object: place.object, own: (value) => place.own(value) };
}

/** The legacy object's place, or that of an object inside it. */
class Place<T extends object> {
  readonly object: T;
  readonly #path: readonly string[];
  readonly #bridging: ObjectBridging<T>;
  #made: Legs<T> | undefined;
  /** Every place of the bridge. */
  readonly #places: Place<T>[];
  readonly #declared: ReadonlyMap<PropertyKey, Member>;
  /** The places of objects inside that have declared members. */
  readonly #inside = new Map<PropertyKey, Place<T>>();
  readonly #events: BridgedEvents;
  /** The functions in the place of the legacy object's own, by name. */
  readonly #functions = new Map<
    PropertyKey,
    { readonly source: unknown; readonly method: Method }
  >();
  /** What each of them stands for. */
  readonly #sources = new WeakMap<object, unknown>();

  constructor(bridging: ObjectBridging<T>, path: readonly string[], places: Place<T>[]) {
    this.#bridging = bridging;
    this.#path = path;
    this.#places = places;
    places.push(this);
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
    this.#events = new BridgedEvents({
      legs: () => this.#legs(),
      made: () => this.#both().pooled.made,
      self: () => this.object,
      logger: () => bridging.logger(),
    });
    this.object = this.#proxy();
  }

  /** Both legs, which are made once. Asked at each call. */
  #both(): Legs<T> {
    return (this.#made ??= this.#bridging.legs());
  }

  /**
   * An object with the legacy object's type and behaviour: getters, setters and methods run with the real object as `this`, so
   * private fields, `instanceof`, symbols and detached methods work. Declared members are the bridge's.
   */
  #proxy(): T {
    const legacy = (): T => this.#legacy();
    // Empty: a frozen object and a module's namespace would hold the proxy to their own values.
    const target: object =
      this.#path.length === 0 && this.#bridging.callable
        ? function bridge(): void {
            // Stands for the legacy function; the trap below calls it.
          }
        : {};
    // `console.log` looks at a proxy's target and not through its traps.
    Object.defineProperty(target, inspect.custom, {
      configurable: true,
      value: (_depth: number, options: InspectOptions) =>
        this.#here() === undefined
          ? '[a bridge whose legacy object is promised]'
          : inspect(legacy(), options),
    });
    const functions = this.#functions;
    return new Proxy(target, {
      get: (_target, name) => {
        const object = this.#here();
        if (object === undefined) return this.#early(name);
        const value: unknown = (object as Record<PropertyKey, unknown>)[name];
        // Asked at every call, for a method may be assigned or spied on: what it was last time is known without reading its text.
        const known = functions.get(name);
        return known !== undefined && known.source === value
          ? known.method
          : this.#found(name, value);
      },
      set: (_target, name, value) => {
        const source = typeof value === 'function' ? this.#sources.get(value as Method) : undefined;
        if (source === undefined) return this.#set(name, value);
        // A spy that is taken away puts back what it found, which is the bridge's own: the legs would call the bridge without end.
        return this.#restore(name) || this.#set(name, source);
      },
      has: (_target, name) => Reflect.has(legacy(), name),
      deleteProperty: (_target, name) =>
        this.#restore(name) ||
        !this.#onEachLeg((leg) => Reflect.deleteProperty(leg, name)).includes(false),
      defineProperty: (_target, name, descriptor) =>
        Reflect.defineProperty(legacy(), name, { ...descriptor, configurable: true }),
      ownKeys: (own) => [
        ...new Set([
          ...Reflect.ownKeys(legacy()),
          // What the target can't be rid of must be told.
          ...Reflect.ownKeys(own).filter(
            (name) => Reflect.getOwnPropertyDescriptor(own, name)?.configurable === false,
          ),
        ]),
      ],
      getPrototypeOf: () => Reflect.getPrototypeOf(legacy()),
      getOwnPropertyDescriptor: (own, name) => {
        const fixed = Reflect.getOwnPropertyDescriptor(own, name);
        if (fixed?.configurable === false) return fixed;
        const found = Reflect.getOwnPropertyDescriptor(legacy(), name);
        return found && { ...found, configurable: true };
      },
      isExtensible: () => true,
      preventExtensions: () => false,
      apply: (_target, self, args: readonly unknown[]) =>
        Reflect.apply(legacy() as unknown as Method, self, args),
      construct: (_target, args: readonly unknown[], newTarget) =>
        Reflect.construct(
          legacy() as unknown as new (...args: readonly unknown[]) => object,
          args,
          newTarget,
        ) as object,
    }) as T;
  }

  /** A member while the legacy object is promised and not made yet. */
  #early(name: PropertyKey): unknown {
    // Awaiting a bridge must not wait for a method of its legacy object.
    if (name === 'then') return undefined;
    return (
      this.#inside.get(name)?.object ??
      this.#declaredMethod(name) ??
      Reflect.get(this.#legacy(), name)
    );
  }

  /** What stands for a member of the legacy object. */
  #found(name: PropertyKey, value: unknown): unknown {
    const inside = this.#inside.get(name);
    if (inside !== undefined) return inside.object;
    if (name === 'constructor') return value;
    // A class is a value: its instances must be its own.
    return typeof value === 'function' && !isClass(value)
      ? this.#functionFor(name, value as Method)
      : this.#value(name);
  }

  #functionFor(name: PropertyKey, source: Method): Method {
    const method =
      this.#declaredMethod(name) ??
      this.#events.method(name, source) ??
      this.#undeclared(name, source);
    if (method !== source) {
      like(method, source);
      this.#sources.set(method, source);
    }
    this.#functions.set(name, { source, method });
    return method;
  }

  /** The bridge's function for a declared member; undefined for any other. */
  #declaredMethod(name: PropertyKey): Method | undefined {
    const member = this.#declared.get(name);
    return member && this.#method(member);
  }

  #method({ operation, spec }: Member): Method {
    let make: ListCall = (args) => {
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

  /** See {@link BridgedObject.own}: of all places of the bridge. */
  own(value: unknown): unknown {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
    const { legacy, pooled } = this.#both();
    // Asked at each answer.
    for (const place of this.#places)
      if (place.#isAt(legacy.here, value) || place.#isAt(pooled.here, value)) return place.object;
    return value;
  }

  #isAt(leg: object | undefined, value: unknown): boolean {
    try {
      return this.#at(leg) === value;
    } catch {
      // A getter on the way, of a leg that was closed, say: the answer of the other must not fail by it.
      return false;
    }
  }

  #value(name: PropertyKey): unknown {
    const object = this.#answeringWith(name);
    return this.own(Reflect.get(object, name, object));
  }

  #set(name: PropertyKey, value: unknown): boolean {
    const [legacy, pooled] = this.#legsWith(name);
    return pooled !== undefined && this.#bridging.answering() === 'pooled'
      ? setProperty(pooled, legacy, name, value)
      : setProperty(legacy, pooled, name, value);
  }

  /** Puts back the functions that an assignment took the place of; false where none did. */
  #restore(name: PropertyKey): boolean {
    return this.#onEachLeg((leg) => restoreProperty(leg, name)).includes(true);
  }

  #onEachLeg(change: (leg: T) => boolean): boolean[] {
    return this.#legs().flatMap((leg) => (leg === undefined ? [] : [change(leg)]));
  }

  #undeclared(name: PropertyKey, method: Method): Method {
    // What iterates an object shows what it holds, as a property does: it goes with the reads. `instanceof` is the legacy class's.
    if (typeof name === 'symbol' && name !== Symbol.hasInstance)
      return (...args) => {
        const object = this.#answeringWith(name);
        const own = (object as Record<PropertyKey, unknown>)[name];
        return this.own(Reflect.apply(own as Method, object, args));
      };
    return (...args) => {
      const legacy = this.#legacy();
      if (typeof name === 'string') this.#bridging.undeclared([...this.#path, name].join('.'));
      return this.own(Reflect.apply(method, legacy, args));
    };
  }

  /** The answering leg's object here; the legacy one where the other lacks the property. */
  #answeringWith(name: PropertyKey): T {
    const [legacy, pooled] = this.#legsWith(name);
    return pooled !== undefined && this.#bridging.answering() === 'pooled' ? pooled : legacy;
  }

  /** The legs' objects here; undefined for a pooled leg that is not there, or lacks the property. */
  #legsWith(name: PropertyKey): readonly [T, T | undefined] {
    const [legacy, pooled] = this.#legs();
    return [legacy, pooled !== undefined && Reflect.has(pooled, name) ? pooled : undefined];
  }

  /** The legs' objects here; undefined for a pooled leg that is not there yet. */
  #legs(): readonly [T, T | undefined] {
    const pooled = this.#both().pooled.here;
    return [this.#legacy(), this.#at(pooled)];
  }

  /** The legacy object; undefined while it is promised and not made yet. */
  #here(): T | undefined {
    return this.#at(this.#both().legacy.here);
  }

  #legacy(): T {
    const legacy = this.#both().legacy.here;
    if (legacy === undefined)
      throw new WiringError(
        `The legacy object of "${this.#bridging.name}" is promised and not there yet: await bridgeOf(object).ready() before the first use.`,
      );
    return this.#at(legacy) as T;
  }

  #at(leg: object | undefined): T | undefined {
    if (leg === undefined || this.#path.length === 0) return leg as T | undefined;
    return ownerOf(leg, { path: [...this.#path, ''] }) as T | undefined;
  }
}

/** Named and counted as the original, for who looks, and with what hangs on it: `sql.raw` beside `sql`. */
function like(method: Method, original: Method): void {
  Object.setPrototypeOf(method, original);
  for (const name of ['name', 'length'] as const)
    Object.defineProperty(method, name, { value: original[name], configurable: true });
}
