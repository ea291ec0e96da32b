import { type Stage, stages } from '@changeover/core';
import {
  counted,
  countText,
  decideBy,
  type Decision,
  type KeyVerdict,
  type ReportData,
  type ReportVerdict,
  type ShapeEvidence,
  shapeText,
  type TimeSlice,
  type TotalsBy,
  visibleText,
} from '@changeover/bridge';
import type { Report } from './report.ts';
import { hoursThenMinutes, slowSince } from './slow-since.ts';

/** What a reader has to do with a key, the most urgent first. */
export const keyProblems = [
  'mismatch',
  'held',
  'gate fails',
  'errors',
  'slow',
  'backend waits',
  'too little seen',
  'may step',
  'no step yet',
] as const;

/** One of {@link keyProblems}. */
export type KeyProblem = (typeof keyProblems)[number];

/** The first so many need a person; the others need time, or nothing. */
const needPerson = 5;

/** One key in a list of all. */
export interface KeyLine {
  readonly backend: string;
  readonly key: string;
  readonly stage: Stage;
  readonly problem: KeyProblem;
  /** What the gates say of its next step; undefined where nothing stands before it. */
  readonly decision: Decision | undefined;
  /** One sentence; empty where there is nothing to say. */
  readonly why: string;
  readonly calls: number;
  readonly failed: number;
  readonly compared: number;
  readonly mismatch: number;
  /** Milliseconds since 1970 of its last call; undefined where that is not known. */
  readonly lastSeen: number | undefined;
}

/** Columns that a list of keys can be sorted by; `problem` has the most urgent first. */
export const keySorts = [
  'problem',
  'key',
  'stage',
  'calls',
  'failed',
  'mismatches',
  'last seen',
] as const;

/** One of {@link keySorts}. */
export type KeySort = (typeof keySorts)[number];

export function needsPerson(problem: KeyProblem): boolean {
  return keyProblems.indexOf(problem) < needPerson;
}

/** Every key that was called or judged, problems first. */
export function keyLines({ data, standing, keys = [] }: Report, verdict: ReportVerdict): KeyLine[] {
  const verdicts = new Map(verdict.keys.map((one) => [nameOf(one.backend, one.key), one]));
  const totals = new Map(
    data.byDataset.map((one) => [nameOf(one.backend, one.dataset ?? ''), one]),
  );
  const latest = latestStages(data);
  const seen = lastSeen(data);
  const wrong = mismatchesOf(data);
  const slow = slowKeys(data);
  const failing = mostFailing(data);
  const lines = [
    ...new Set([
      ...totals.keys(),
      ...verdicts.keys(),
      ...keys.map((one) => nameOf(one.backend, one.key)),
    ]),
  ].map((name): KeyLine => {
    const [backend = '', key = ''] = name.split('\0');
    const judged = verdicts.get(name);
    const counts: Partial<TotalsBy> = totals.get(name) ?? {};
    const { stage, held } = standing?.(backend, key) ?? {};
    const mismatch = wrong.get(name) ?? 0;
    const failed = counts.failed ?? 0;
    const problem = problemOf(judged, {
      mismatch,
      failed,
      slow: slow.has(name),
      held: held !== undefined,
    });
    return {
      backend,
      key,
      stage: stage ?? judged?.stage ?? latest.get(name) ?? 'legacy',
      problem,
      decision: judged?.decision,
      why: [
        ...ownReasons(problem, slow.get(name), counts, failing.get(name)),
        ...(judged === undefined ? [] : [reasonOf(judged)]),
      ].join(' '),
      calls: counts.calls ?? 0,
      failed,
      compared: counts.compared ?? 0,
      mismatch,
      lastSeen: seen.get(name),
    };
  });
  return sortedKeys(lines, 'problem');
}

/** The row says where already, and whether there is too little. */
function reasonOf({ backend, key, stage, reason }: KeyVerdict): string {
  const place = `On ${visibleText(backend)} ${visibleText(key)} at ${stage}, `;
  const said = reason.replace(/: too little to decide by\.$/, '.');
  if (!said.startsWith(place)) return said;
  return said.charAt(place.length).toUpperCase() + said.slice(place.length + 1);
}

/** What the gates don't say. */
function ownReasons(
  problem: KeyProblem,
  slow: string | undefined,
  { failed = 0, calls = 0 }: Partial<TotalsBy>,
  failing: ShapeEvidence | undefined,
): string[] {
  return [
    ...(problem === 'errors'
      ? [
          `${counted(failed, 'call', 'calls')} of ${countText(calls)} failed${
            failing === undefined
              ? ''
              : `, ${countText(failing.failed)} of them ${shapeText(failing)} at ${failing.stage}`
          }.`,
        ]
      : []),
    ...(slow === undefined ? [] : [slow]),
  ];
}

/** The shape of call of each key that fails most, by name. */
function mostFailing({ shapes }: ReportData): ReadonlyMap<string, ShapeEvidence> {
  const most = new Map<string, ShapeEvidence>();
  for (const shape of shapes) {
    const name = nameOf(shape.backend, shape.key);
    if (shape.failed > (most.get(name)?.failed ?? 0)) most.set(name, shape);
  }
  return most;
}

function problemOf(
  judged: KeyVerdict | undefined,
  {
    mismatch,
    failed,
    slow,
    held,
  }: {
    readonly mismatch: number;
    readonly failed: number;
    readonly slow: boolean;
    readonly held: boolean;
  },
): KeyProblem {
  if (mismatch > 0) return 'mismatch';
  if (held) return 'held';
  // What its backend's other keys do wrong is no problem of this one.
  const own = (judged?.gates ?? []).filter(({ key }) => key !== undefined);
  const ownSays = own.length === 0 ? 'PROMOTE' : decideBy(own);
  if (ownSays === 'ROLL BACK' || ownSays === 'HOLD') return 'gate fails';
  if (failed > 0) return 'errors';
  if (slow) return 'slow';
  switch (judged?.decision) {
    case undefined:
      return 'no step yet';
    case 'PROMOTE':
      return 'may step';
    case 'INCONCLUSIVE':
      return 'too little seen';
    case 'HOLD':
    case 'ROLL BACK':
      return 'backend waits';
  }
}

/** Ties are in the order of names, so that a list that is read again is in the same order. */
export function sortedKeys(lines: readonly KeyLine[], sort: KeySort): KeyLine[] {
  const order = comparisons[sort];
  return [...lines].sort((a, b) => order(a, b) || byName(a, b));
}

const comparisons: Readonly<Record<KeySort, (a: KeyLine, b: KeyLine) => number>> = {
  problem: (a, b) =>
    keyProblems.indexOf(a.problem) - keyProblems.indexOf(b.problem) ||
    b.mismatch - a.mismatch ||
    b.failed - a.failed,
  key: (a, b) => compareText(a.key, b.key),
  // The furthest first: there the pooled leg answers.
  stage: (a, b) => stages.indexOf(b.stage) - stages.indexOf(a.stage),
  calls: (a, b) => b.calls - a.calls,
  failed: (a, b) => b.failed - a.failed,
  mismatches: (a, b) => b.mismatch - a.mismatch,
  'last seen': (a, b) => (b.lastSeen ?? 0) - (a.lastSeen ?? 0),
};

function byName(a: KeyLine, b: KeyLine): number {
  return compareText(a.key, b.key) || compareText(a.backend, b.backend);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The lines that have every word somewhere in name, backend, stage or problem, whatever its case. */
export function filteredKeys(lines: readonly KeyLine[], filter: string): readonly KeyLine[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return lines;
  return lines.filter(({ backend, key, stage, problem }) => {
    const text = `${backend}/${key} ${stage} ${problem}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function nameOf(backend: string, key: string): string {
  return `${backend}\0${key}`;
}

function latestStages({ cells }: ReportData): ReadonlyMap<string, Stage> {
  const latest = new Map<string, Stage>();
  for (const { backend, dataset = '', stage = 'legacy', calls } of cells) {
    const name = nameOf(backend, dataset);
    const known = latest.get(name) ?? 'legacy';
    if (calls > 0) latest.set(name, stages.indexOf(stage) > stages.indexOf(known) ? stage : known);
  }
  return latest;
}

/** Of what is judged: what was found before a key was resumed is no problem of now. */
function mismatchesOf(data: ReportData): ReadonlyMap<string, number> {
  const wrong = new Map<string, number>();
  for (const { backend, dataset = '', mismatch } of (data.judged ?? data).cells) {
    const name = nameOf(backend, dataset);
    wrong.set(name, (wrong.get(name) ?? 0) + mismatch);
  }
  return wrong;
}

/** Keys that a leg has been slow for up to now, with since when. */
function slowKeys({ hours, minutes }: ReportData): ReadonlyMap<string, string> {
  const byMinute = slicesByKey(minutes?.byDataset ?? []);
  return new Map(
    [...slicesByKey(hours?.byDataset ?? [])].flatMap(([name, own]) => {
      const slices = hoursThenMinutes(own, byMinute.get(name) ?? []);
      const said = slowSince(slices, 'pooled') ?? slowSince(slices, 'legacy');
      return said === undefined ? [] : [[name, said] as const];
    }),
  );
}

function slicesByKey(slices: readonly TimeSlice[]): ReadonlyMap<string, TimeSlice[]> {
  const byKey = new Map<string, TimeSlice[]>();
  for (const slice of slices) {
    const name = nameOf(slice.backend, slice.dataset);
    const own = byKey.get(name);
    if (own === undefined) byKey.set(name, [slice]);
    else own.push(slice);
  }
  return byKey;
}

function lastSeen({ shapes, hours }: ReportData): ReadonlyMap<string, number> {
  const seen = new Map<string, number>();
  const note = (name: string, at: number): void => {
    if (at > (seen.get(name) ?? -Infinity)) seen.set(name, at);
  };
  for (const { backend, key, lastSeen: at } of shapes) note(nameOf(backend, key), at);
  // Where an operation has no shape, the hour is known.
  for (const { backend, dataset, from } of hours?.byDataset ?? [])
    note(nameOf(backend, dataset), from);
  return seen;
}
