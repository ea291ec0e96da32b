/** What is a method by the class, for people who read faults. What the platform's own classes bring passes. */
export function methodNames(object: object): string[] {
  const names = new Set<string>();
  for (
    let owner: object | null = object;
    owner !== null && !isBuiltIn(owner);
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
      // A class among the members is a value; its statics are its own.
      const value: unknown = descriptor.value;
      if (name !== 'constructor' && typeof value === 'function' && !isClass(value)) names.add(name);
    }
  }
  return [...names];
}

/** A class, which is a value where it is a member. */
export function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

/** A prototype of the platform: Object, Function, EventEmitter, Map and the like. */
function isBuiltIn(owner: object): boolean {
  const { constructor } = owner as { readonly constructor?: unknown };
  return (
    Object.hasOwn(owner, 'constructor') &&
    typeof constructor === 'function' &&
    (/\{\s*\[native code\]\s*\}\s*$/.test(Function.prototype.toString.call(constructor)) ||
      constructor.name === 'EventEmitter')
  );
}
