/** What a singleton gives its callers without their asking, and `lateWork`: calls made after their transaction had ended. */
export type ReliedGuarantee = 'order' | 'exclusion' | 'session' | 'lateWork';

/** How a statement relies on the session: it sets something, makes temporary objects, takes locks, reads a setting, or asks for what
 * the last write left. */
export type SessionReliance = 'sets' | 'temporary' | 'locks' | 'reads' | 'lastWrite';

/** One call that relied on a guarantee. */
export interface RelianceSeen {
  readonly backend: string;
  readonly dataset: string;
  readonly guarantee: ReliedGuarantee;
  /** Of `session` alone. */
  readonly use?: SessionReliance | undefined;
  /** The call site, where it was sampled: `src/orders.ts:12`. */
  readonly site?: string | undefined;
  /** The call without a value in it: {@link calledText}. */
  readonly what: string;
  /** Whether the pooled leg keeps the guarantee for this key. Default: true. */
  readonly kept?: boolean | undefined;
}

/** One place in a program that relies on a guarantee. */
export interface RelianceSite {
  /** File and line; undefined for calls whose place was not sampled. */
  readonly site?: string | undefined;
  /** The operation, with the shape of the statement: never a value. */
  readonly what: string;
  /** How often it was sampled. */
  readonly count: number;
}

/** How one key's callers rely on one guarantee, over all runs. */
export interface RelianceEvidence {
  readonly backend: string;
  readonly key: string;
  readonly guarantee: ReliedGuarantee;
  /** Of `session` alone. */
  readonly use?: SessionReliance | undefined;
  /** How many calls did. */
  readonly count: number;
  /** Sampled call sites, the most frequent first; at most 20. */
  readonly sites: readonly RelianceSite[];
  /** Whether the pooled leg, when this was last seen, kept the guarantee for the key, as far as the program that saw it knew. */
  readonly kept: boolean;
  /** Milliseconds since 1970. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/** Call sites of one key, guarantee and use; those seen first. */
export const maxSites = 20;
/** The longest shape in a {@link calledText}. */
const maxWhat = 120;
/** Keys, guarantees and uses in memory, of about half a KiB each. */
const maxEntries = 10_000;

/** How a call is named where it relies on something: `query: SELECT last_insert_rowid ( )`. */
export function calledText(operation: string, shape: string): string {
  const text = shape === '' ? operation : `${operation}: ${shape}`;
  return text.length > maxWhat ? `${text.slice(0, maxWhat - 1)}…` : text;
}

interface Entry {
  readonly row: Mutable<Omit<RelianceEvidence, 'sites'>>;
  readonly sites: Map<string, Mutable<RelianceSite>>;
  stored: number;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** What one process saw its callers rely on, and what of that is stored. Bounded. */
export class RelianceBook {
  readonly #entries = new Map<string, Entry>();
  #dropped = 0;

  /** Calls that there was no room to count. */
  get dropped(): number {
    return this.#dropped;
  }

  add(seen: RelianceSeen, nowMs: number): void {
    const entry = this.#entryOf(seen, nowMs);
    if (entry === undefined) {
      this.#dropped += 1;
      return;
    }
    const { row, sites } = entry;
    row.count += 1;
    row.lastSeen = nowMs;
    row.kept = seen.kept ?? true;
    noteSite(sites, { site: seen.site, what: seen.what, count: 1 });
  }

  /** Rows that the store doesn't have as they stand now, at most `limit`. */
  unstored(limit: number): readonly RelianceEvidence[] {
    const rows: RelianceEvidence[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.stored === entry.row.count) continue;
      rows.push(evidenceOf(entry));
      if (rows.length >= limit) break;
    }
    return rows;
  }

  /** Nothing of it is stored any more. */
  beginAnew(): void {
    for (const entry of this.#entries.values()) entry.stored = 0;
  }

  /** To be called in the same tick as {@link unstored}, once its rows are stored. */
  markStored(rows: readonly RelianceEvidence[]): void {
    for (const row of rows) {
      const name = relianceKeyText(row);
      const entry = this.#entries.get(name);
      if (entry === undefined) continue;
      entry.stored = row.count;
      // None starves where a pass doesn't reach all.
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
  }

  /** All of it as it stands now. */
  rows(): readonly RelianceEvidence[] {
    return [...this.#entries.values()].map(evidenceOf);
  }

  #entryOf({ backend, dataset, guarantee, use }: RelianceSeen, nowMs: number): Entry | undefined {
    const key = { backend, key: dataset, guarantee, use };
    const name = relianceKeyText(key);
    const known = this.#entries.get(name);
    if (known !== undefined || this.#entries.size >= maxEntries) return known;
    const row = { ...key, count: 0, kept: true, firstSeen: nowMs, lastSeen: nowMs };
    const entry: Entry = { row, sites: new Map(), stored: 0 };
    this.#entries.set(name, entry);
    return entry;
  }
}

/** Merges what several processes and runs saw of the same. */
export function mergeReliance(rows: Iterable<RelianceEvidence>): readonly RelianceEvidence[] {
  const merged = new Map<string, Entry>();
  for (const { sites, ...row } of rows) {
    const name = relianceKeyText(row);
    const entry = merged.get(name) ?? {
      row: { ...row, count: 0 },
      sites: new Map<string, Mutable<RelianceSite>>(),
      stored: 0,
    };
    merged.set(name, entry);
    const sum = entry.row;
    sum.count += row.count;
    if (row.lastSeen >= sum.lastSeen) sum.kept = row.kept;
    sum.firstSeen = Math.min(sum.firstSeen, row.firstSeen);
    sum.lastSeen = Math.max(sum.lastSeen, row.lastSeen);
    for (const site of sites) noteSite(entry.sites, site);
  }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => evidenceOf(entry));
}

function noteSite(sites: Map<string, Mutable<RelianceSite>>, seen: RelianceSite): void {
  const name = `${seen.site ?? ''}\0${seen.what}`;
  const known = sites.get(name);
  if (known !== undefined) {
    known.count += seen.count;
    return;
  }
  if (sites.size >= maxSites && seen.site !== undefined) {
    // A place is worth more than another call whose place is not known.
    const unplaced = [...sites].find(([, { site }]) => site === undefined);
    if (unplaced !== undefined) sites.delete(unplaced[0]);
  }
  if (sites.size < maxSites) sites.set(name, { ...seen });
}

function evidenceOf({ row, sites }: Entry): RelianceEvidence {
  return { ...row, sites: [...sites.values()].sort((a, b) => b.count - a.count) };
}

/** One text a key, guarantee and use, for maps. Names can't contain a NUL. */
export function relianceKeyText({
  backend,
  key,
  guarantee,
  use,
}: Pick<RelianceEvidence, 'backend' | 'key' | 'guarantee' | 'use'>): string {
  return `${backend}\0${key}\0${guarantee}\0${use ?? ''}`;
}
