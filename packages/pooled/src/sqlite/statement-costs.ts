/** Weight of the newest measurement. */
const newest = 0.3;
/** Statements remembered for one dataset. The one not used for longest is forgotten. */
const maxStatements = 500;

/**
 * What reads of one dataset have cost, by what was asked, so that cheap ones can run on the main thread and dear ones
 * elsewhere. An exponentially weighted mean: a statement whose cost depends on its parameters, or whose table grows,
 * changes sides after a few calls.
 */
export class StatementCosts {
  readonly #meanMs = new Map<string, number>();

  /** The mean so far in ms; undefined for what was never measured. */
  meanMs(statement: string): number | undefined {
    return this.#meanMs.get(statement);
  }

  note(statement: string, durationMs: number): void {
    const before = this.#meanMs.get(statement);
    const mean = before === undefined ? durationMs : before + newest * (durationMs - before);
    if (before === undefined && this.#meanMs.size >= maxStatements) {
      const [oldest] = this.#meanMs.keys();
      if (oldest !== undefined) this.#meanMs.delete(oldest);
    }
    this.#meanMs.set(statement, mean);
  }
}

/** What tells one read from another by cost: the operation, its table or SQL, and what shapes the result; not the values. */
export function costKey(operation: string, args: readonly unknown[]): string {
  if (operation === 'query') return args[0] as string;
  const [table, options] = args as [unknown, { limit?: unknown; where?: unknown; orderBy?: unknown } | undefined];
  if (options === undefined) return typeof table === 'string' ? `${operation}\0${table}` : operation;
  const { limit, where, orderBy } = options;
  const condition = typeof where === 'object' && where !== null ? Object.keys(where).join('\0') : String(where);
  const order = orderBy === undefined || typeof orderBy === 'string' ? orderBy : JSON.stringify(orderBy);
  return `${operation}\0${String(table)}\0${String(limit)}\0${condition}\0${order ?? ''}`;
}
