/** How often a comparison rule mattered, in one process since its start or summed over several. */
export interface RuleUseCount {
  readonly backend: string;
  /** The rule as JSON, without a comparator's function. */
  readonly rule: string;
  /** Comparisons in which it let something pass. */
  readonly uses: number;
  /** Comparisons in which a comparator threw. */
  readonly failures: number;
}

/** Asked whenever counts are stored or summed. */
export type RuleUseSource = () => readonly RuleUseCount[];

/** The rules of one process's routers, and what was stored of them. */
export class RuleUses {
  readonly #sources = new Set<RuleUseSource>();
  /** The last words of sources that ended. */
  readonly #ended = new Map<string, RuleUseCount>();
  readonly #stored = new Map<string, string>();
  readonly #gone = new Map<string, RuleUseCount>();

  /** @returns ends it: what it said last stays counted. Idempotent. */
  watch(source: RuleUseSource): () => void {
    this.#sources.add(source);
    return () => {
      if (!this.#sources.delete(source)) return;
      for (const count of source()) addTo(this.#ended, count);
    };
  }

  /** Two routers may share a backend's name and its rules. */
  all(): readonly RuleUseCount[] {
    const sums = new Map(this.#ended);
    for (const source of this.#sources) for (const count of source()) addTo(sums, count);
    return [...sums].map(([key, count]) => {
      const gone = this.#gone.get(key);
      if (gone === undefined) return count;
      return { ...count, uses: count.uses - gone.uses, failures: count.failures - gone.failures };
    });
  }

  unstored(limit: number): readonly RuleUseCount[] {
    if (this.#sources.size === 0 && this.#ended.size === 0) return [];
    return this.all()
      .filter((count) => this.#stored.get(keyOf(count)) !== figuresOf(count))
      .slice(0, limit);
  }

  /** Goes on as another process: what `had` says is no longer this one's. */
  beginAnew(had: readonly RuleUseCount[]): void {
    this.#stored.clear();
    for (const count of had) {
      const gone = this.#gone.get(keyOf(count));
      const uses = count.uses + (gone?.uses ?? 0);
      this.#gone.set(keyOf(count), {
        ...count,
        uses,
        failures: count.failures + (gone?.failures ?? 0),
      });
    }
  }

  markStored(counts: readonly RuleUseCount[]): void {
    for (const count of counts) this.#stored.set(keyOf(count), figuresOf(count));
  }
}

function addTo(sums: Map<string, RuleUseCount>, count: RuleUseCount): void {
  const key = keyOf(count);
  const sum = sums.get(key);
  sums.set(key, {
    ...count,
    uses: count.uses + (sum?.uses ?? 0),
    failures: count.failures + (sum?.failures ?? 0),
  });
}

function keyOf({ backend, rule }: RuleUseCount): string {
  return `${backend}\0${rule}`;
}

function figuresOf({ uses, failures }: RuleUseCount): string {
  return `${String(uses)} ${String(failures)}`;
}
