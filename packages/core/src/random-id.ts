/** A random UUID. `node:crypto` is loaded with the first one: importing it would be 6 ms of each program's start. */
export function randomId(): string {
  return process.getBuiltinModule('node:crypto').randomUUID();
}
