/**
 * Sets a property that both legs have, so that it reads the same whichever answers. A setter runs code, which may write: it runs
 * once, on the answering leg.
 *
 * @returns whether the answering leg took it.
 */
export function setProperty(
  answering: object,
  other: object,
  name: PropertyKey,
  value: unknown,
): boolean {
  const taken = Reflect.set(answering, name, value, answering);
  if (!hasAccessor(answering, name) && !hasAccessor(other, name))
    Reflect.set(other, name, value, other);
  return taken;
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
