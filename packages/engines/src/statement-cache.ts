/**
 * A bounded cache of what was prepared, in two generations: when the young one is full it becomes the old one, and what
 * was in the old one and never asked for again is let go. A hit costs one look-up, and between `capacity / 2` and
 * `capacity` entries are kept.
 */
export class StatementCache<Statement> {
  readonly #half: number;
  readonly #evict: (statement: Statement, sql: string) => void;
  #young = new Map<string, Statement>();
  #old = new Map<string, Statement>();

  /** @param evict called for each statement let go. */
  constructor(
    capacity: number,
    evict: (statement: Statement, sql: string) => void = () => undefined,
  ) {
    this.#half = Math.max(1, Math.floor(capacity / 2));
    this.#evict = evict;
  }

  get(sql: string): Statement | undefined {
    const found = this.#young.get(sql);
    if (found !== undefined) return found;
    const old = this.#old.get(sql);
    if (old === undefined) return undefined;
    this.#old.delete(sql);
    this.set(sql, old);
    return old;
  }

  set(sql: string, statement: Statement): void {
    this.#young.set(sql, statement);
    if (this.#young.size < this.#half) return;
    const letGo = this.#old;
    this.#old = this.#young;
    this.#young = new Map();
    for (const [text, old] of letGo) this.#evict(old, text);
  }

  delete(sql: string): void {
    this.#young.delete(sql);
    this.#old.delete(sql);
  }

  /** Lets everything go. */
  clear(): void {
    for (const generation of [this.#young, this.#old]) {
      for (const [sql, statement] of generation) this.#evict(statement, sql);
      generation.clear();
    }
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
