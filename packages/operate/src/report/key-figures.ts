import { type Stage, stageNamed, stages } from '@changeover/core';
import {
  counted,
  countText,
  decideBy,
  inOneGo,
  partsAtOnce,
  type KeyName,
  type KeyVerdict,
  type LedgerChange,
  type RelianceText,
  relianceTexts,
  type ReportData,
  type ReportVerdict,
  type SampleGroup,
  type ShapeEvidence,
  shapeText,
  type Steps,
  timeText,
  type TimeSlice,
  type TotalsBy,
  visibleText,
} from '@changeover/bridge';
import { type KeyLine, type KeyProblem, sortedKeys } from './key-line.ts';
import type { KeyBackground, Report } from './report.ts';
import { slowLegSince } from './slow-since.ts';

/** Every key that was called or judged, problems first. */
export function keyLines(report: Report, verdict: ReportVerdict): KeyLine[] {
  return inOneGo(keyLinesInSteps(report, verdict));
}

/** Keys looked at in the time of one part of a step. */
const keysAPart = 2;
/** Slices of time that are sorted by key in that time. */
const slicesAPart = 100;

/** The same in steps. */
export function* keyLinesInSteps(
  { data, position, keys = [] }: Report,
  verdict: ReportVerdict,
): Steps<KeyLine[]> {
  const verdicts = new Map(verdict.keys.map((one) => [nameOf(one.backend, one.key), one]));
  const totals = new Map(
    data.byDataset.map((one) => [nameOf(one.backend, one.dataset ?? ''), one]),
  );
  const latest = latestStages(data);
  yield partsAtOnce;
  const seen = lastSeen(data);
  yield partsAtOnce;
  const wrong = mismatchesOf(data);
  yield partsAtOnce;
  const slow = yield* slowKeys(data);
  const failing = mostFailing(data);
  yield partsAtOnce;
  const names = new Set([
    ...totals.keys(),
    ...verdicts.keys(),
    ...keys.map((one) => nameOf(one.backend, one.key)),
  ]);
  const lines: KeyLine[] = [];
  for (const name of names) {
    yield 1 / keysAPart;
    const [backend = '', key = ''] = name.split('\0');
    const judged = verdicts.get(name);
    const counts: Partial<TotalsBy> = totals.get(name) ?? {};
    const { stage, held } = position?.(backend, key) ?? {};
    const mismatch = wrong.get(name) ?? 0;
    const failed = counts.failed ?? 0;
    const problem = problemOf(judged, {
      mismatch,
      failed,
      slow: slow.has(name),
      held: held !== undefined,
    });
    lines.push({
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
    });
  }
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

/** Since when a leg of each key has been slow up to now, in a sentence, by backend, a NUL and key; those that are not are left out. */
export function slowKeysOf(data: ReportData): ReadonlyMap<string, string> {
  return inOneGo(slowKeys(data));
}

/** The same in steps. */
function* slowKeys({ hours, minutes }: ReportData): Steps<ReadonlyMap<string, string>> {
  const byMinute = yield* slicesByKey(minutes?.byDataset ?? []);
  const slow = new Map<string, string>();
  for (const [name, own] of yield* slicesByKey(hours?.byDataset ?? [])) {
    yield 1 / keysAPart;
    const said = slowLegSince(own, byMinute.get(name) ?? []);
    if (said !== undefined) slow.set(name, said);
  }
  return slow;
}

/** Since when a leg of one key has been slow up to now, in a sentence; undefined where it isn't. */
export function slowText({ hours, minutes }: ReportData, key: KeyName): string | undefined {
  const own = (slices: readonly TimeSlice[] = []): readonly TimeSlice[] =>
    slices.filter(({ backend, dataset }) => backend === key.backend && dataset === key.key);
  return slowLegSince(own(hours?.byDataset), own(minutes?.byDataset));
}

function* slicesByKey(
  slices: readonly TimeSlice[],
): Steps<ReadonlyMap<string, readonly TimeSlice[]>> {
  const byKey = new Map<string, TimeSlice[]>();
  for (const [at, slice] of slices.entries()) {
    if (at % slicesAPart === 0) yield 1;
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

/** Everything that is known of one key, for its page. */
export interface KeyFigures {
  readonly line: KeyLine;
  readonly verdict: KeyVerdict | undefined;
  readonly background: KeyBackground;
  /** `on shadow since … by flag: …` */
  readonly since: string;
  /** By operation and stage. */
  readonly cells: readonly TotalsBy[];
  readonly shapes: readonly ShapeEvidence[];
  readonly mismatches: readonly SampleGroup[];
  readonly reliance: readonly RelianceText[];
  readonly hours: readonly TimeSlice[];
  readonly minutes: readonly TimeSlice[];
}

interface Own {
  readonly cells: TotalsBy[];
  readonly shapes: ShapeEvidence[];
  hours: readonly TimeSlice[];
  minutes: readonly TimeSlice[];
}

/** Looks up one key after the other in a report: gone through once, since there may be thousands. */
export class KeyFinder {
  readonly #report: Report;
  readonly #verdicts: ReadonlyMap<string, KeyVerdict>;
  readonly #own = new Map<string, Own>();

  private constructor(report: Report, verdict: ReportVerdict) {
    this.#report = report;
    this.#verdicts = new Map(verdict.keys.map((one) => [nameOf(one.backend, one.key), one]));
  }

  static of(report: Report, verdict: ReportVerdict): KeyFinder {
    return inOneGo(KeyFinder.inSteps(report, verdict));
  }

  /** The same in steps. */
  static *inSteps(report: Report, verdict: ReportVerdict): Steps<KeyFinder> {
    const finder = new KeyFinder(report, verdict);
    const { cells, shapes, hours, minutes } = report.data;
    for (const [at, cell] of cells.entries()) {
      if (at % slicesAPart === 0) yield 1;
      finder.#ownOf(cell.backend, cell.dataset ?? '').cells.push(cell);
    }
    for (const [at, shape] of shapes.entries()) {
      if (at % slicesAPart === 0) yield 1;
      finder.#ownOf(shape.backend, shape.key).shapes.push(shape);
    }
    for (const [name, own] of yield* slicesByKey(hours?.byDataset ?? []))
      finder.#named(name).hours = own;
    for (const [name, own] of yield* slicesByKey(minutes?.byDataset ?? []))
      finder.#named(name).minutes = own;
    return finder;
  }

  figures(line: KeyLine): KeyFigures {
    const { backend, key } = line;
    const { data } = this.#report;
    const background = this.#report.background?.(backend, key) ?? {};
    return {
      line,
      verdict: this.#verdicts.get(nameOf(backend, key)),
      background,
      since: this.#since(line, background.ledger ?? []),
      ...this.#ownOf(backend, key),
      mismatches: data.sampleGroups.filter(
        (group) =>
          group.verdict === 'mismatch' &&
          group.backend === backend &&
          group.samples.some(({ dataset }) => dataset === key),
      ),
      reliance: relianceTexts(
        data.reliance.filter((one) => one.backend === backend && one.key === key),
      ),
    };
  }

  #ownOf(backend: string, key: string): Own {
    return this.#named(nameOf(backend, key));
  }

  #named(name: string): Own {
    const own = this.#own.get(name) ?? { cells: [], shapes: [], hours: [], minutes: [] };
    this.#own.set(name, own);
    return own;
  }

  /** Since when it is on its stage, by whom and why: from the ledger, else from the time line. */
  #since({ backend, key, stage }: KeyLine, ledger: readonly LedgerChange[]): string {
    const last = ledger.at(-1);
    if (last?.held === true)
      return `held at ${last.to} since ${timeText(last.at)} by ${last.who}: ${last.reason}`;
    const line = ledger.findLast(({ to, from }) => to === stage && from !== to);
    if (line !== undefined)
      return `on ${stage} since ${timeText(line.at)}, moved from ${line.from} by ${line.who}: ${line.reason}`;
    const event = this.#report.data.timeline.findLast(
      ({ kind, fields }) =>
        kind === 'stage' &&
        fields['backend'] === backend &&
        fields['dataset'] === key &&
        stageNamed(fields['to']) === stage,
    );
    if (event === undefined) return sinceFirstSeen(stage, this.#ownOf(backend, key).shapes);
    const reason = event.fields['reason'];
    return `on ${stage} since ${timeText(event.at)}${typeof reason === 'string' ? `: ${reason}` : ''}`;
  }
}

function sinceFirstSeen(stage: Stage, shapes: readonly ShapeEvidence[]): string {
  const first = Math.min(
    ...shapes.filter((shape) => shape.stage === stage).map(({ firstSeen }) => firstSeen),
  );
  return Number.isFinite(first)
    ? `on ${stage} since it was first called there, ${timeText(first)}; no change of stage was recorded`
    : `on ${stage}; no change of stage was recorded`;
}

function nameOf(backend: string, key: string): string {
  return `${backend}\0${key}`;
}
