import { type ComparisonRule, RuleBook } from '@changeover/compare';
import type { RuleUseCount } from '../recorder/rule-uses.ts';

/** Flags change a few times a day; what older revisions' rules did is kept as counts. */
const maxBooks = 50;

/** The rules in force for one backend: those that its program gave, and those of the flag that decides a call. */
export class RuleBooks {
  readonly #backend: string;
  readonly #own: readonly ComparisonRule[];
  /** By the text of the flag's rules, since each reading of a flag makes new objects of the same rules. */
  readonly #books = new Map<string, RuleBook>();
  readonly #closed = new Map<string, { uses: number; failures: number }>();

  /** @throws as `RuleBook`. */
  constructor(backend: string, own: readonly ComparisonRule[] = []) {
    this.#backend = backend;
    this.#own = own;
    this.#bookOf([]);
  }

  /** The rules that hold for such calls; undefined where none does. */
  for(operation: string, key: string, flagged: readonly ComparisonRule[]): RuleBook | undefined {
    const book = this.#bookOf(flagged);
    return book.has(operation, key) ? book : undefined;
  }

  /** How often each rule mattered since the start. */
  uses(): readonly RuleUseCount[] {
    const sums = new Map([...this.#closed].map(([rule, count]) => [rule, { ...count }]));
    for (const book of this.#books.values()) addUses(sums, book);
    return [...sums].map(([rule, count]) => ({ backend: this.#backend, rule, ...count }));
  }

  #bookOf(flagged: readonly ComparisonRule[]): RuleBook {
    const text = flagged.length === 0 ? '' : JSON.stringify(flagged);
    let book = this.#books.get(text);
    if (book === undefined) {
      book = new RuleBook([...this.#own, ...flagged]);
      this.#books.set(text, book);
      if (this.#books.size > maxBooks) this.#closeOldest();
    }
    return book;
  }

  #closeOldest(): void {
    for (const [text, book] of this.#books) {
      if (text === '') continue;
      addUses(this.#closed, book);
      this.#books.delete(text);
      return;
    }
  }
}

function addUses(sums: Map<string, { uses: number; failures: number }>, book: RuleBook): void {
  for (const { rule, uses, failures } of book.uses()) {
    // A comparator's function is left out by JSON; its other fields tell which it is.
    const text = JSON.stringify(rule);
    const sum = sums.get(text) ?? { uses: 0, failures: 0 };
    sums.set(text, { uses: sum.uses + uses, failures: sum.failures + failures });
  }
}
