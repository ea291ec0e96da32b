import { counted, countText, visibleText } from './plain-text.ts';
import type {
  RelianceEvidence,
  RelianceSite,
  ReliedGuarantee,
  SessionReliance,
} from './recorder/reliance-book.ts';

/** How one key's callers rely on one guarantee, for people. Everything in it is plain text. */
export interface RelianceText {
  readonly backend: string;
  readonly key: string;
  readonly guarantee: ReliedGuarantee;
  /** `relies on session state`. */
  readonly what: string;
  readonly count: number;
  /** Whether the pooled leg keeps it, as far as the programs knew that saw it. */
  readonly kept: boolean;
  /** `src/a.ts:12 (query: SELECT last_insert_rowid ( ))`, those sampled most often first. */
  readonly sites: readonly string[];
  /** What to write instead. */
  readonly instead: string;
}

const relied: Readonly<Record<ReliedGuarantee, string>> = {
  order: 'relies on the order of calls that are not awaited',
  exclusion: 'relies on transactions that run one at a time',
  session: 'relies on session state',
  lateWork: 'makes calls after their transaction has ended',
};

const insteadOf: Readonly<Record<Exclude<ReliedGuarantee, 'session'>, string>> = {
  order: 'await each call before the next one that depends on it',
  exclusion: 'one statement (UPDATE ... SET n = n + 1), or SELECT ... FOR UPDATE in transaction()',
  lateWork: 'await every call before the work of transaction() returns',
};

const insteadOfSession: Readonly<Record<SessionReliance, string>> = {
  sets: 'SET LOCAL and the query in one transaction()',
  temporary: 'one transaction() around all that uses the temporary object',
  locks: 'a lock that ends with its transaction(), as pg_advisory_xact_lock',
  reads: 'the value as a parameter',
  lastWrite: 'INSERT ... RETURNING id, or both statements in one transaction()',
};

/** What each key's callers rely on, a guarantee a line; the session's uses together. */
export function relianceTexts(evidence: readonly RelianceEvidence[]): readonly RelianceText[] {
  const groups = new Map<string, RelianceEvidence[]>();
  for (const one of evidence) {
    const name = `${one.backend}\0${one.key}\0${one.guarantee}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return [...groups.values()].map((group) => {
    const { backend, key, guarantee } = group[0] as RelianceEvidence;
    return {
      backend,
      key,
      guarantee,
      what: relied[guarantee],
      count: group.reduce((sum, { count }) => sum + count, 0),
      kept: group.every(({ kept }) => kept),
      sites: siteTexts(group.flatMap(({ sites }) => sites)),
      instead: insteadText(guarantee, group),
    };
  });
}

/** One sentence: `relies on session state: 2 call sites: src/a.ts:12 (…), …; write … instead`.
 *
 * @param most call sites that are named. */
export function relianceSentence({ what, sites, instead }: RelianceText, most = 3): string {
  return `${what}: ${sitesText(sites, most)}; write instead: ${instead}`;
}

/** `2 call sites: src/a.ts:12 (…), src/b.ts:3 (…)`. */
export function sitesText(sites: readonly string[], most: number): string {
  const rest = sites.length - most;
  const named = sites.slice(0, most).join(', ');
  return `${counted(sites.length, 'call site', 'call sites')}: ${named}${
    rest > 0 ? ` and ${countText(rest)} more` : ''
  }`;
}

function siteTexts(sites: readonly RelianceSite[]): readonly string[] {
  const sorted = [...sites].sort((a, b) => placed(b) - placed(a) || b.count - a.count);
  const placedCalls = new Set(
    sorted.flatMap(({ site, what }) => (site === undefined ? [] : [what])),
  );
  return sorted
    .filter(({ site, what }) => site !== undefined || !placedCalls.has(what))
    .map(({ site, what }) =>
      site === undefined
        ? `a place that was not sampled (${visibleText(what)})`
        : `${visibleText(site)} (${visibleText(what)})`,
    );
}

function placed({ site }: RelianceSite): number {
  return site === undefined ? 0 : 1;
}

function insteadText(guarantee: ReliedGuarantee, group: readonly RelianceEvidence[]): string {
  if (guarantee !== 'session') return insteadOf[guarantee];
  const uses = group.flatMap(({ use }) => use ?? []);
  return [...new Set(uses.map((use) => insteadOfSession[use]))].join('; ');
}
