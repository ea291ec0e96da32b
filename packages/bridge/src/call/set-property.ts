/**
 * Sets a property that both legs have, so that it reads the same whichever answers. A setter runs code, which may write: it runs
 * once, on the answering leg.
 *
 * @returns whether the answering leg took it.
 */
export function setProperty(
  answering: object,
  other: object | undefined,
  name: PropertyKey,
  value: unknown,
): boolean {
  remember(answering, name);
  const taken = Reflect.set(answering, name, value, answering);
  if (other === undefined) return taken;
  remember(other, name);
  if (!hasAccessor(answering, name) && !hasAccessor(other, name))
    Reflect.set(other, name, value, other);
  return taken;
}

/** The functions that were set over, by leg and name; undefined where it was the class's. */
const replaced = new WeakMap<object, Map<PropertyKey, PropertyDescriptor | undefined>>();

function remember(leg: object, name: PropertyKey): void {
  if (typeof (leg as Record<PropertyKey, unknown>)[name] !== 'function') return;
  const known = replaced.get(leg) ?? new Map<PropertyKey, PropertyDescriptor | undefined>();
  replaced.set(leg, known);
  if (!known.has(name)) known.set(name, Object.getOwnPropertyDescriptor(leg, name));
}

/** Puts back the function that {@link setProperty} set another value over; false where there is none. */
export function restoreProperty(leg: object, name: PropertyKey): boolean {
  const known = replaced.get(leg);
  if (known?.has(name) !== true) return false;
  const descriptor = known.get(name);
  known.delete(name);
  return descriptor === undefined
    ? Reflect.deleteProperty(leg, name)
    : Reflect.defineProperty(leg, name, descriptor);
}

function hasAccessor(object: object, name: PropertyKey): boolean {
  for (
    let owner: object | null = object;
    owner !== null;
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name);
    if (descriptor !== undefined)
      return descriptor.set !== undefined || descriptor.get !== undefined;
  }
  return false;
}
