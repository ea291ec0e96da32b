import { WiringError } from '@changeover/bridge';

type Constructor<Args extends readonly unknown[], T> = new (...args: Args) => T;

/** By the driver's prototype: what instances of ours are constructed as. */
const targets = new WeakMap<object, Constructor<never, object>>();

/**
 * Makes an instance of our class that is one of the driver's too: `instanceof`, `constructor` and the name are the driver's, the members
 * ours. What the driver has and our class has not is refused by name, for it would find no connection.
 *
 * @param native an object of the driver's class.
 */
export function standIn<Args extends readonly unknown[], T extends object>(
  Class: Constructor<Args, T>,
  native: object,
  args: Args,
): T {
  const driver = Object.getPrototypeOf(native) as object;
  let target = targets.get(driver);
  if (target === undefined) {
    target = targetOf(Class.prototype as object, driver);
    targets.set(driver, target);
  }
  return Reflect.construct(Class, args, target);
}

function targetOf(ours: object, driver: object): Constructor<never, object> {
  const refused = Object.entries(Object.getOwnPropertyDescriptors(rootOf(driver)))
    .filter(([name, { value }]) => typeof value === 'function' && !(name in ours))
    .map(([name]): [string, PropertyDescriptor] => [name, { value: refusal(name) }]);
  const prototype = Object.create(driver, Object.fromEntries(refused)) as object;
  for (const name of Reflect.ownKeys(ours)) {
    if (name === 'constructor') continue;
    const member = Object.getOwnPropertyDescriptor(ours, name);
    if (member !== undefined) Object.defineProperty(prototype, name, member);
  }
  const target = function (): void {
    // Never run: only its prototype is used.
  };
  target.prototype = prototype;
  return target as unknown as Constructor<never, object>;
}

/** The driver's own class: what a program's subclass of it adds calls our members. */
function rootOf(prototype: object): object {
  const parent = Object.getPrototypeOf(prototype) as object | null;
  return parent === null || Object.getPrototypeOf(parent) === null ? prototype : rootOf(parent);
}

function refusal(name: string): () => never {
  return () => {
    throw new WiringError(`${name}() is not bridged: call it on the handle that was bridged.`);
  };
}
