/** Anything of the driver's that takes a statement. */
interface Querying {
  query(config: unknown, values?: unknown): Promise<unknown>;
}

/** Sends a statement in the form that promises. The driver's types name each form apart. */
export function send(to: object, config: unknown, values?: unknown): Promise<unknown> {
  return (to as Querying).query(config, values);
}
