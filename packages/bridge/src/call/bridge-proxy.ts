import { inspect, type InspectOptions } from 'node:util';
/** How a member of the legacy object is answered: a function in its place, or its own value. */
export interface BridgedMembers {
  /** The function in place of a declared member; undefined for any other. */
  method(name: string): ((...args: readonly unknown[]) => unknown) | undefined;
  /** What stands for an object inside that has declared members. */
  inside(name: string): object | undefined;
  /** The legacy object; undefined while it is promised and not made yet. */
  here(): object | undefined;
  /** A member that is not declared and not callable, from the leg that answers. */
  value(name: PropertyKey): unknown;
  /** Sets a member. */
  set(name: PropertyKey, value: unknown): boolean;
  /** Deletes a member. */
  remove(name: PropertyKey): boolean;
  /** Puts back the functions that an assignment took the place of; false where none did. */
  restore(name: PropertyKey): boolean;
  /** A callable member that is not declared. */
  undeclared(name: PropertyKey, method: (...args: readonly unknown[]) => unknown): unknown;
}

/** What a call on a leg gives back where that leg gave itself. */
export interface Identity {
  /** The bridge in place of one of its legs, anything else as it is. */
  own(value: unknown): unknown;
}

/**
 * An object with the legacy object's type and behaviour: getters, setters and methods run with the real object as `this`, so
 * private fields, `instanceof`, symbols and detached methods work. Declared members are the bridge's.
 *
 * The target is empty where the legacy object can't be one: a frozen object and a module's namespace would hold the proxy to
 * their own values.
 *
 * @param legacy asked at each use, because the object may be made late.
 */
export function bridgeProxy<T extends object>(
  legacy: () => T,
  members: BridgedMembers,
  callable: boolean,
): T {
  const wrapped = new Map<PropertyKey, { readonly source: unknown; readonly method: unknown }>();
  const sources = new WeakMap<object, unknown>();
  const sourceOf = (value: unknown): unknown =>
    typeof value === 'function' ? sources.get(value) : undefined;
  const target: object = callable
    ? function bridge(): void {
        // Stands for the legacy function; the trap below calls it.
      }
    : {};
  // `console.log` looks at a proxy's target and not through its traps.
  Object.defineProperty(target, inspect.custom, {
    configurable: true,
    value: (_depth: number, options: InspectOptions) =>
      members.here() === undefined
        ? '[a bridge whose legacy object is promised]'
        : inspect(legacy(), options),
  });
  const wrap = (name: PropertyKey, source: (...args: readonly unknown[]) => unknown): unknown => {
    const method =
      (typeof name === 'string' ? members.method(name) : undefined) ??
      members.undeclared(name, source);
    if (typeof method === 'function' && method !== source) {
      like(method, source);
      sources.set(method, source);
    }
    wrapped.set(name, { source, method });
    return method;
  };
  const declaredAs = (name: string): unknown => members.inside(name) ?? members.method(name);
  const early = (name: PropertyKey): unknown => {
    // Awaiting a bridge must not wait for a method of its legacy object.
    if (name === 'then') return undefined;
    const declared = typeof name === 'string' ? declaredAs(name) : undefined;
    return declared ?? Reflect.get(legacy(), name);
  };
  const found = (name: PropertyKey, value: unknown): unknown => {
    const inside = typeof name === 'string' ? members.inside(name) : undefined;
    if (inside !== undefined) return inside;
    if (name === 'constructor') return value;
    // A class is a value: its instances must be its own.
    return typeof value === 'function' && !isClass(value)
      ? wrap(name, value as (...args: readonly unknown[]) => unknown)
      : members.value(name);
  };
  return new Proxy(target, {
    get(_target, name) {
      const object = members.here();
      if (object === undefined) return early(name);
      const value: unknown = (object as Record<PropertyKey, unknown>)[name];
      // Asked at every call, for a method may be assigned or spied on: what it was last time is known without reading its text.
      const known = wrapped.get(name);
      return known !== undefined && known.source === value ? known.method : found(name, value);
    },
    set(_target, name, value) {
      const source = sourceOf(value);
      if (source === undefined) return members.set(name, value);
      // A spy that is taken away puts back what it found, which is the bridge's own: the legs would call the bridge without end.
      return members.restore(name) || members.set(name, source);
    },
    has: (_target, name) => Reflect.has(legacy(), name),
    deleteProperty: (_target, name) => members.restore(name) || members.remove(name),
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
    getOwnPropertyDescriptor(own, name) {
      const fixed = Reflect.getOwnPropertyDescriptor(own, name);
      if (fixed?.configurable === false) return fixed;
      const found = Reflect.getOwnPropertyDescriptor(legacy(), name);
      if (found === undefined) return undefined;
      return { ...found, configurable: true };
    },
    isExtensible: () => true,
    preventExtensions: () => false,
    apply: (_target, self, args: readonly unknown[]) =>
      Reflect.apply(legacy() as unknown as (...args: readonly unknown[]) => unknown, self, args),
    construct: (_target, args: readonly unknown[], newTarget) =>
      Reflect.construct(
        legacy() as unknown as new (...args: readonly unknown[]) => object,
        args,
        newTarget,
      ) as object,
  }) as T;
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

/** Named and counted as the original, for who looks, and with what hangs on it: `sql.raw` beside `sql`. */
function like(method: object, original: (...args: readonly unknown[]) => unknown): void {
  Object.setPrototypeOf(method, original);
  for (const name of ['name', 'length'] as const)
    Object.defineProperty(method, name, { value: original[name], configurable: true });
}
