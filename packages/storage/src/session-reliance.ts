import type { Statement } from '@changeover/classify';
import {
  calledText,
  isInTransaction,
  type RelianceSeen,
  type SessionReliance as SessionUse,
} from '@changeover/bridge';
import { keepsSession, type KnownReliance, type SessionFacts } from '@changeover/engines/api';

/** What {@link SessionReliance} is made of. */
export interface SessionRelianceOptions {
  /** The engine's name, as the bridge is called. */
  readonly backend: string;
  /** What the words of a statement tell at once. `unknown` has the statement classified. */
  readonly words: SessionFacts;
  /** What a statement does, in the background. Rejects, or undefined, where that can't be told. */
  readonly learn: (dataset: string, sql: string) => Promise<Statement | undefined>;
  readonly captureSite: (kind: string, key: string) => string | undefined;
  readonly record: (seen: RelianceSeen) => void;
  /** Whether the pooled leg keeps the session for a dataset. */
  readonly kept: (dataset: string) => boolean;
}

/** A call of a statement. */
export interface StatementCall {
  readonly operation: string;
  readonly dataset: string;
  readonly sql: string;
  /** The text without its literals. */
  readonly shape: string;
}

/** What was set in a session: nothing; what only who asks for it sees; what may change any answer. */
export type SettingsSeen = 'nothing' | 'custom' | 'anything';

/** Nothing is relied on; it is being learned; or what is. */
type Known = 'none' | 'learning' | readonly SessionUse[];

/** Datasets and shapes that are remembered; what comes after is looked at anew. */
const maxDatasets = 1_000;
const maxShapes = 1_000;
/** Calls of one dataset that are kept to be looked into later, and how long their texts are at most. */
const maxPlain = 50;
const maxPlainLength = 2_000;

/**
 * Watches which statements rely on the session, at every stage: from the first day at `legacy` on. By shape, so that a statement
 * which relies on nothing costs two look-ups in a map, and one in its words when its shape is first seen.
 */
export class SessionReliance {
  readonly #options: SessionRelianceOptions;
  readonly #byDataset = new Map<string, Map<string, Known>>();
  readonly #relied = new Map<string, KnownReliance>();
  readonly #set = new Map<string, SettingsSeen>();
  /** Datasets whose statements may touch the session by code that they don't name. */
  readonly #hiding = new Set<string>();
  /** By dataset and shape, calls that rely on nothing by their words. */
  readonly #plain = new Map<string, Map<string, StatementCall>>();
  /** By dataset, what is being learned of statements that were called. */
  readonly #beingLearned = new Map<string, Set<Promise<void>>>();

  constructor(options: SessionRelianceOptions) {
    this.#options = options;
  }

  /** To be told of each call of a statement, in the tick in which it is made. Never throws. */
  saw(call: StatementCall): void {
    const known = this.#shapesOf(call.dataset).get(call.shape);
    if (known === 'none') return;
    try {
      if (known === undefined) this.#firstSeen(call);
      else if (known !== 'learning') this.#count(call, known, undefined);
    } catch {
      // No watching may break a caller.
    }
  }

  /** A dataset's statements may touch the session by code that they don't name: those that were seen are looked into, and all that come. */
  hides(dataset: string): void {
    this.#hiding.add(dataset);
    const seen = this.#plain.get(dataset);
    this.#plain.delete(dataset);
    for (const call of seen?.values() ?? []) this.#learn(call);
  }

  /** What this process saw a dataset rely on. */
  reliedOn(dataset: string): KnownReliance {
    return this.#relied.get(dataset) ?? 'none';
  }

  /** What this process saw set in a dataset's session, once all is known that was called until now. Never rejects. */
  async settings(dataset: string): Promise<SettingsSeen> {
    await Promise.all([...(this.#beingLearned.get(dataset) ?? [])]);
    return this.#set.get(dataset) ?? 'nothing';
  }

  #noteSet({ dataset, sql }: StatementCall): void {
    if (this.#set.get(dataset) === 'anything') return;
    const seen = setsCustomOnly(sql) ? 'custom' : 'anything';
    if (this.#set.size < maxDatasets || this.#set.has(dataset)) this.#set.set(dataset, seen);
  }

  #firstSeen(call: StatementCall): void {
    const { words } = this.#options;
    const { dataset, sql } = call;
    const use = words.sessionUse(sql);
    if (use === 'unknown') {
      this.#learn(call);
      return;
    }
    const uses: SessionUse[] = words.readsLastWrite(sql) ? ['lastWrite'] : [];
    if (use !== 'pending' && use !== 'none') uses.push(use);
    if (!keepsSession(use) && uses.length === 0) {
      if (this.#hiding.has(dataset)) {
        this.#learn(call);
        return;
      }
      this.#notePlain(call);
    }
    this.#note(dataset, call.shape, uses);
    this.#count(call, uses, undefined);
  }

  #notePlain(call: StatementCall): void {
    const seen = this.#plain.get(call.dataset) ?? new Map<string, StatementCall>();
    if (this.#plain.size < maxDatasets) this.#plain.set(call.dataset, seen);
    if (seen.size < maxPlain && call.sql.length <= maxPlainLength) seen.set(call.shape, call);
  }

  /** The call site is only there now. */
  #learn(call: StatementCall): void {
    const { dataset, sql, shape } = call;
    const site = this.#site(dataset, 'unknown');
    const isInside = isInTransaction();
    this.#shapesOf(dataset).set(shape, 'learning');
    const forget = (): void => {
      this.#shapesOf(dataset).delete(shape);
    };
    const learned = this.#options.learn(dataset, sql).then((statement) => {
      if (statement === undefined || statement.effect === 'unknown') {
        // It may be told the next time.
        forget();
        return;
      }
      const uses = usesOf(statement);
      if (statement.opaque) this.#noteSet(call);
      this.#note(dataset, shape, uses);
      this.#record(call, uses, site, isInside);
    }, forget);
    this.#waitFor(dataset, learned);
  }

  #waitFor(dataset: string, learned: Promise<void>): void {
    const all = this.#beingLearned.get(dataset) ?? new Set<Promise<void>>();
    this.#beingLearned.set(dataset, all);
    const settled = learned
      .catch(() => undefined)
      .then(() => {
        all.delete(settled);
        if (all.size === 0) this.#beingLearned.delete(dataset);
      });
    all.add(settled);
  }

  #count(call: StatementCall, uses: readonly SessionUse[], site: string | undefined): void {
    if (uses.length > 0) this.#record(call, uses, site, isInTransaction());
  }

  #record(
    call: StatementCall,
    uses: readonly SessionUse[],
    captured: string | undefined,
    isInside: boolean,
  ): void {
    const { backend, kept, record } = this.#options;
    const { operation, dataset, shape } = call;
    if (uses.includes('sets')) this.#noteSet(call);
    for (const use of uses) {
      // A transaction has its connection to itself: what the last write left is there.
      if (isInside && (use === 'lastWrite' || use === 'reads')) continue;
      this.#remember(dataset, use);
      record({
        backend,
        dataset,
        guarantee: 'session',
        use,
        site: captured ?? this.#site(dataset, use),
        what: calledText(operation, shape),
        kept: kept(dataset),
      });
    }
  }

  #site(dataset: string, use: string): string | undefined {
    return this.#options.captureSite(`session ${use}`, `${this.#options.backend}:${dataset}`);
  }

  #remember(dataset: string, use: SessionUse): void {
    const scope = scopeOf(use);
    const before = this.#relied.get(dataset);
    if (scope === 'none' || before === 'all' || before === scope) return;
    if (this.#relied.size < maxDatasets || before !== undefined) this.#relied.set(dataset, scope);
  }

  #note(dataset: string, shape: string, uses: readonly SessionUse[]): void {
    this.#shapesOf(dataset).set(shape, uses.length === 0 ? 'none' : uses);
  }

  #shapesOf(dataset: string): Map<string, Known> {
    let shapes = this.#byDataset.get(dataset);
    if (shapes === undefined) {
      if (this.#byDataset.size >= maxDatasets) this.#byDataset.clear();
      shapes = new Map();
      this.#byDataset.set(dataset, shapes);
    }
    if (shapes.size >= maxShapes) shapes.clear();
    return shapes;
  }
}

/**
 * Whether a statement sets nothing but settings of a program's own (`app.tenant`), which change no answer but of what asks for them: as
 * far as its text says. A function of a user's is taken to. `PRAGMA data_version` sets nothing, and keeps its connection.
 */
function setsCustomOnly(sql: string): boolean {
  const named = [...sql.matchAll(/\bset_config['"]?\s*\(\s*(?:'([^']*)')?/gi)];
  if (named.length > 0) return named.every(([, name]) => name?.includes('.') === true);
  return (
    !/^\s*(?:set|reset|pragma(?!\s+(?:\w+\.)?data_version)|discard)\b/i.test(sql) ||
    /^\s*set\s+(?:session\s+)?\w+\./i.test(sql)
  );
}

/** What a dataset that relies on the session in this way needs kept. */
export function scopeOf(use: SessionUse | undefined): KnownReliance {
  if (use === undefined || use === 'reads') return 'none';
  return use === 'lastWrite' ? 'writes' : 'all';
}

function usesOf({ session, readsLastWrite }: Statement): readonly SessionUse[] {
  return [
    ...(keepsSession(session) && session !== 'none' ? [session] : []),
    ...(readsLastWrite ? (['lastWrite'] as const) : []),
  ];
}
