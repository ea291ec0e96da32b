import type { Statement } from './statement.ts';

/**
 * Statements by their exact text, bounded in number and in characters. Two generations in place of a list in order of use: a hit
 * costs one look-up, and what was not used while half the bound filled up is dropped with the older generation.
 */
export class StatementCache {
  #young = new Map<string, Statement>();
  #old = new Map<string, Statement>();
  #characters = 0;
  readonly #maxStatements: number;
  readonly #maxCharacters: number;

  constructor(bounds: { readonly maxStatements: number; readonly maxCharacters: number }) {
    this.#maxStatements = bounds.maxStatements;
    this.#maxCharacters = bounds.maxCharacters;
  }

  get(sql: string): Statement | undefined {
    const found = this.#young.get(sql);
    if (found !== undefined) return found;
    const older = this.#old.get(sql);
    if (older !== undefined) this.set(sql, older);
    return older;
  }

  set(sql: string, statement: Statement): void {
    const full =
      this.#young.size >= Math.max(1, Math.floor(this.#maxStatements / 2)) ||
      this.#characters + sql.length > this.#maxCharacters / 2;
    if (full) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#characters = 0;
    }
    if (!this.#young.has(sql)) this.#characters += sql.length;
    this.#young.set(sql, statement);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#characters = 0;
  }

  /** How many texts are remembered. */
  get size(): number {
    let size = this.#young.size;
    for (const sql of this.#old.keys()) if (!this.#young.has(sql)) size += 1;
    return size;
  }
}
