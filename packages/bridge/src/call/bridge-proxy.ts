import { inspect, type InspectOptions } from 'node:util';
/** How a member of the legacy object is answered: a function in its place, or its own value. */
export interface BridgedMembers {
  /** The function in place of a declared member; undefined for any other. */
  method(name: string): ((...args: readonly unknown[]) => unknown) | undefined;
  /** What stands for an object inside that has declared members. */
  inside(name: string): object | undefined;
  /** Whether the legacy object is there: a promised one is not until it is made. */
  isThere(): boolean;
  /** A member that is not declared and not callable, from the leg that answers. */
  value(name: PropertyKey): unknown;
  /** Sets a member. */
  set(name: PropertyKey, value: unknown): boolean;
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
  const target: object = callable
    ? function bridge(): void {
        // Stands for the legacy function; the trap below calls it.
      }
    : {};
  // `console.log` looks at a proxy's target and not through its traps.
  Object.defineProperty(target, inspect.custom, {
    configurable: true,
    value: (_depth: number, options: InspectOptions) =>
      members.isThere() ? inspect(legacy(), options) : '[a bridge whose legacy object is promised]',
  });
  const wrap = (name: PropertyKey, source: (...args: readonly unknown[]) => unknown): unknown => {
    const known = wrapped.get(name);
    if (known?.source === source) return known.method;
    const method =
      (typeof name === 'string' ? members.method(name) : undefined) ??
      members.undeclared(name, source);
    if (typeof method === 'function' && method !== source) like(method, source);
    wrapped.set(name, { source, method });
    return method;
  };
  return new Proxy(target, {
    get(_target, name) {
      if (typeof name === 'string') {
        const inside = members.inside(name);
        if (inside !== undefined) return inside;
        if (!members.isThere()) {
          // Awaiting a bridge must not wait for a method of its legacy object.
          if (name === 'then') return undefined;
          const method = members.method(name);
          if (method !== undefined) return method;
        }
      }
      const object = legacy();
      const value: unknown = Reflect.get(object, name, object);
      if (name === 'constructor') return value;
      // A class is a value: its instances must be its own.
      return typeof value === 'function' && !isClass(value)
        ? wrap(name, value as (...args: readonly unknown[]) => unknown)
        : members.value(name);
    },
    set: (_target, name, value) => members.set(name, value),
    has: (_target, name) => Reflect.has(legacy(), name),
    deleteProperty: (_target, name) => Reflect.deleteProperty(legacy(), name),
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

/** Named and counted as the original, for who looks. */
function like(method: object, original: (...args: readonly unknown[]) => unknown): void {
  for (const name of ['name', 'length'] as const)
    Object.defineProperty(method, name, { value: original[name], configurable: true });
}
