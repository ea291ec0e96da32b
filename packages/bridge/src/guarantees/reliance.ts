/** What a key's callers were seen to rely on. */
export type RelianceKind = 'order' | 'exclusion' | 'lateWork';

/** Names the place in the program that made the call, or undefined where it isn't sampled. */
export type CaptureSite = (kind: RelianceKind, key: string) => string | undefined;

/** Told each time that a guarantee is relied on, on the caller's path: it must be quick, and what it throws is ignored.
 *
 * @param site where it is sampled.
 * @param subject of the call, as it was announced. */
export type OnReliance = (kind: RelianceKind, site: string | undefined, subject: unknown) => void;

/** How often one guarantee was relied on, and from where. */
export interface RelianceCount {
  readonly count: number;
  /** Sampled call sites with how often each was seen; at most 20, those seen first. */
  readonly sites: readonly { readonly site: string; readonly count: number }[];
}

/** How often each guarantee of a key was relied on since its gate was made, at any stage and level. */
export interface Reliance {
  /** Calls issued while an earlier one of the same caller was unfinished that must not change places with it. */
  readonly order: RelianceCount;
  /** Transactions issued while another write or transaction of the key was unfinished, and writes issued while a
   * transaction was. */
  readonly exclusion: RelianceCount;
  /** Calls made in a transaction's asynchronous context after it had ended: they ran as calls of their own. */
  readonly lateWork: RelianceCount;
}

const maxSites = 20;

/** Counts what a key's callers rely on. */
export class RelianceCounter {
  readonly #key: string;
  readonly #captureSite: CaptureSite | undefined;
  readonly #onReliance: OnReliance | undefined;
  readonly #counts: Record<RelianceKind, { count: number; sites: Map<string, number> | undefined }>;

  constructor(
    key: string,
    captureSite: CaptureSite | undefined,
    onReliance: OnReliance | undefined,
  ) {
    this.#key = key;
    this.#captureSite = captureSite;
    this.#onReliance = onReliance;
    this.#counts = {
      order: { count: 0, sites: undefined },
      exclusion: { count: 0, sites: undefined },
      lateWork: { count: 0, sites: undefined },
    };
  }

  add(kind: RelianceKind, subject: unknown): void {
    const entry = this.#counts[kind];
    entry.count += 1;
    const site = this.#site(kind);
    this.#tell(kind, site, subject);
    if (site === undefined) return;
    entry.sites ??= new Map();
    const seen = entry.sites.get(site);
    if (seen !== undefined || entry.sites.size < maxSites) entry.sites.set(site, (seen ?? 0) + 1);
  }

  read(): Reliance {
    const { order, exclusion, lateWork } = this.#counts;
    return { order: copy(order), exclusion: copy(exclusion), lateWork: copy(lateWork) };
  }

  #tell(kind: RelianceKind, site: string | undefined, subject: unknown): void {
    try {
      this.#onReliance?.(kind, site, subject);
    } catch {
      // No hook may break a caller.
    }
  }

  #site(kind: RelianceKind): string | undefined {
    try {
      return this.#captureSite?.(kind, this.#key);
    } catch {
      // No hook may break a caller.
      return undefined;
    }
  }
}

function copy(entry: { count: number; sites: Map<string, number> | undefined }): RelianceCount {
  const sites = [...(entry.sites ?? [])].map(([site, count]) => ({ site, count }));
  return { count: entry.count, sites };
}
