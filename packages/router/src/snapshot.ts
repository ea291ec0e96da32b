/**
 * Copies a call's arguments, so that the shadow leg works on what the caller passed: the caller may change its objects
 * as soon as it has its answer, and the shadow leg must not be able to change them at all.
 *
 * Lists, plain objects, dates and bytes are copied in depth; functions and objects of other classes (which are behaviour
 * more than data) are passed as they are.
 */
export function snapshotArguments(args: readonly unknown[]): readonly unknown[] {
  return args.map((argument) => snapshot(argument, 0));
}

/** From this depth on, objects are remembered, so that a cycle or a shared part is copied once. Rows of a table are not
 * that deep, and a look-up for each of them would cost the caller. */
const rememberedDepth = 4;

function snapshot(value: unknown, depth: number, copies?: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= rememberedDepth) {
    copies ??= new Map();
    if (copies.has(value)) return copies.get(value);
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    copies?.set(value, copy);
    for (const item of value as unknown[]) copy.push(snapshot(item, depth + 1, copies));
    return copy;
  }
  if (value instanceof Date) return new Date(value.getTime());
  if (ArrayBuffer.isView(value)) return snapshotBytes(value);
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value;
  const copy = Object.create(prototype) as Record<string, unknown>;
  copies?.set(value, copy);
  for (const key of Object.keys(value)) {
    const item = snapshot((value as Record<string, unknown>)[key], depth + 1, copies);
    if (key === '__proto__') Object.defineProperty(copy, key, { ...ownField, value: item });
    else copy[key] = item;
  }
  return copy;
}

const ownField = { enumerable: true, writable: true, configurable: true };

function snapshotBytes(view: ArrayBufferView): unknown {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return Buffer.isBuffer(view) ? Buffer.from(bytes) : view instanceof Uint8Array ? bytes.slice() : view;
}
