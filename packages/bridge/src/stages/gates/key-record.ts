import { type Stage, stages } from '@changeover/core';
import type { JudgedFigures, ReportData, TotalsBy } from '../../recorder/report-data.ts';
import type { ShapeEvidence } from '../../recorder/shape-evidence.ts';
import { inOneGo, type Steps } from '../../steps.ts';
import type { JudgedData } from './judged-data.ts';

/** What was seen of one shape of one key's calls, by stage. */
export interface ShapeRecord {
  readonly operation: string;
  readonly shape: string;
  /** One a stage at which it was called, in the order of the stages. */
  readonly stages: readonly ShapeEvidence[];
}

/** What was seen of one key since it was last resumed. */
export interface KeyRecord {
  readonly backend: string;
  readonly key: string;
  readonly shapes: readonly ShapeRecord[];
  /** By operation and stage. */
  readonly cells: readonly TotalsBy[];
}

/** Stages at which both legs run, so that there is something to compare. */
export const comparingStages: readonly Stage[] = ['shadow', 'reverse'];

type WithShapes<Data> = Data & { readonly shapes?: readonly ShapeEvidence[] | undefined };

/** Every key that was called, by backend and key; what was counted before a key was resumed is left out. */
export function keyRecords(report: JudgedData): readonly KeyRecord[] {
  return inOneGo(keyRecordsInSteps(report));
}

/** The same in steps, each of about as many cells as it yields. */
export function* keyRecordsInSteps(report: JudgedData): Steps<readonly KeyRecord[]> {
  const { data } = report;
  const called = (data.judged ?? data).cells.filter(hasCalls);
  const cells = yield* groupInSteps(called, ({ backend, dataset }) =>
    nameOf(backend, dataset ?? ''),
  );
  const shapes = yield* groupInSteps(shapesOf(report), ({ backend, key }) => nameOf(backend, key));
  // Of a key that was resumed and not called since nothing is known, which is not the same as no key.
  const resumed = (data.judged?.since ?? []).map(({ backend, dataset }) =>
    nameOf(backend, dataset),
  );
  const seen = spanOf(data);
  const records: KeyRecord[] = [];
  for (const name of [...new Set([...cells.keys(), ...shapes.keys(), ...resumed])].sort()) {
    const [backend = '', key = ''] = name.split('\0');
    const [ofKey, ofShapes] = [cells.get(name) ?? [], shapes.get(name) ?? []];
    records.push({
      backend,
      key,
      cells: ofKey,
      shapes: shapeRecords(withUnshaped(ofShapes, ofKey, seen)),
    });
    yield ofKey.length + ofShapes.length;
  }
  return records;
}

/** One key's calls, comparisons and so on at one stage, or at all. */
export function sumOf(
  record: Pick<ShapeRecord, 'stages'>,
  field:
    'calls' | 'eligible' | 'compared' | 'match' | 'mismatch' | 'nondeterministic' | 'inconclusive',
  at?: Stage,
): number {
  return record.stages
    .filter(({ stage }) => at === undefined || stage === at)
    .reduce((sum, one) => sum + one[field], 0);
}

/** Comparisons that say something of both legs. What differs from one run to the next on one leg, or was raced by a write,
 * says nothing. */
export function evidenceOf(record: Pick<ShapeRecord, 'stages'>, at?: Stage): number {
  return sumOf(record, 'match', at) + sumOf(record, 'mismatch', at);
}

/** The latest stage at which a key was called; undefined where it wasn't. */
export function latestStage({ shapes }: KeyRecord): Stage | undefined {
  const seen = shapes.flatMap((shape) => shape.stages.map(({ stage }) => stages.indexOf(stage)));
  return stages[Math.max(-1, ...seen)];
}

/** The names of a key, for maps. Names can't contain a NUL. */
export function nameOf(backend: string, key: string): string {
  return `${backend}\0${key}`;
}

/** Of a key that was resumed, figures that are not told apart by that moment would judge the fix by what came before. */
function shapesOf({ data, shapes }: JudgedData): readonly ShapeEvidence[] {
  if (shapes !== undefined) return shapes;
  const judged = (data.judged as WithShapes<JudgedFigures> | undefined)?.shapes;
  if (judged !== undefined) return judged;
  const resumed = new Set(
    (data.judged?.since ?? []).map(({ backend, dataset }) => nameOf(backend, dataset)),
  );
  return data.shapes.filter(({ backend, key }) => !resumed.has(nameOf(backend, key)));
}

/** An operation of which no shape is known has one, ''. */
function withUnshaped(
  shapes: readonly ShapeEvidence[],
  cells: readonly TotalsBy[],
  seen: Pick<ShapeEvidence, 'firstSeen' | 'lastSeen'>,
): readonly ShapeEvidence[] {
  const known = new Set(shapes.map(({ operation }) => operation));
  return [
    ...shapes,
    ...cells
      .filter(({ operation }) => !known.has(operation ?? ''))
      .map((cell) => ({
        backend: cell.backend,
        key: cell.dataset ?? '',
        operation: cell.operation ?? '',
        shape: '',
        stage: cell.stage ?? 'legacy',
        calls: cell.calls,
        failed: cell.failed,
        eligible: cell.eligible,
        compared: cell.compared,
        match: cell.match,
        mismatch: cell.mismatch,
        raced: cell.raced,
        nondeterministic: cell.nondeterministic,
        inconclusive: cell.inconclusive,
        ...seen,
      })),
  ];
}

function shapeRecords(evidence: readonly ShapeEvidence[]): ShapeRecord[] {
  const byShape = groupBy(
    evidence.filter(({ calls, compared }) => calls > 0 || compared > 0),
    ({ operation, shape }) => nameOf(operation, shape),
  );
  return [...byShape].map(([name, found]) => {
    const [operation = '', shape = ''] = name.split('\0');
    return { operation, shape, stages: found.sort((a, b) => orderOf(a) - orderOf(b)) };
  });
}

function orderOf({ stage }: ShapeEvidence): number {
  return stages.indexOf(stage);
}

function hasCalls({ calls, compared }: TotalsBy): boolean {
  return calls > 0 || compared > 0;
}

/** From the first run's start to the last one's end. */
function spanOf({ runs }: ReportData): Pick<ShapeEvidence, 'firstSeen' | 'lastSeen'> {
  const firstSeen = runs.reduce((first, { startedAt }) => Math.min(first, startedAt), Infinity);
  const lastSeen = runs.reduce((last, { lastAt }) => Math.max(last, lastAt), 0);
  return { firstSeen: Number.isFinite(firstSeen) ? firstSeen : 0, lastSeen };
}

function groupBy<Item>(
  items: readonly Item[],
  name: (item: Item) => string,
): ReadonlyMap<string, Item[]> {
  return inOneGo(groupInSteps(items, name));
}

/** Grouping is that much cheaper than all else that is done with a cell. */
const groupedAtOnce = 20;

function* groupInSteps<Item>(
  items: readonly Item[],
  name: (item: Item) => string,
): Steps<ReadonlyMap<string, Item[]>> {
  const groups = new Map<string, Item[]>();
  for (const [at, item] of items.entries()) {
    const one = name(item);
    const group = groups.get(one);
    if (group === undefined) groups.set(one, [item]);
    else group.push(item);
    if (at % groupedAtOnce === groupedAtOnce - 1) yield 1;
  }
  return groups;
}
