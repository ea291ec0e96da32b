type Method = (...args: readonly unknown[]) => unknown;

/** Members of a handle that the adapter answers itself, by name; what a getter gives is asked at each use. */
export type Replacements = object;

/**
 * An object that passes for `handle`: `instanceof`, properties and events are the handle's own, methods run with the handle
 * itself as `this`, so that its private fields work, and give the proxy where they give the handle. What `replacements` has by
 * the same name takes the place of the handle's member; one that is assigned later takes its place in turn, as a spy does, or is
 * given to its setter where it has one.
 */
export function handleProxy<T extends object>(handle: T, replacements: Replacements): T {
  const replaced = new Map<PropertyKey, unknown>();
  const own = ownMembers(replacements);
  const wrapped = new Map<PropertyKey, { readonly source: unknown; readonly method: unknown }>();
  const wrap = (name: PropertyKey, source: Method): unknown => {
    // A class is a value: its statics and instances are its own.
    if (name === 'constructor' || /^class\b/.test(Function.prototype.toString.call(source)))
      return source;
    const method = function (...args: readonly unknown[]): unknown {
      const answer: unknown = Reflect.apply(source, handle, args);
      return answer === handle ? proxy : answer;
    };
    for (const field of ['name', 'length'] as const)
      Object.defineProperty(method, field, { value: source[field], configurable: true });
    wrapped.set(name, { source, method });
    return method;
  };
  const proxy: T = new Proxy(handle, {
    get(_target, name) {
      if (replaced.size > 0 && replaced.has(name)) return replaced.get(name);
      // Asked at every call of a handle's: the first of these is all that most of them need.
      const member: unknown = own[name];
      if (member !== undefined) return member;
      if (Object.hasOwn(replacements, name)) return Reflect.get(replacements, name) as unknown;
      const value: unknown = Reflect.get(handle, name, handle);
      if (typeof value !== 'function') return value;
      const known = wrapped.get(name);
      return known?.source === value ? known.method : wrap(name, value as Method);
    },
    set(_target, name, value) {
      const replacement = Object.getOwnPropertyDescriptor(replacements, name);
      if (replacement === undefined) return Reflect.set(handle, name, value, handle);
      if (replacement.set !== undefined) return Reflect.set(replacements, name, value);
      replaced.set(name, value);
      return true;
    },
    deleteProperty: (_target, name) =>
      replaced.delete(name) || Reflect.deleteProperty(handle, name),
  });
  return proxy;
}

/** Functions by their name, without what objects inherit; what a getter gives is not among them. */
function ownMembers(replacements: object): Readonly<Record<PropertyKey, unknown>> {
  const members = Object.create(null) as Record<PropertyKey, unknown>;
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(replacements)))
    if (typeof value === 'function') members[name] = value;
  return members;
}
