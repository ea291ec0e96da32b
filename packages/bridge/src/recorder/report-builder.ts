import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import { addCounts, noCounts, type Counts } from './counts.ts';
import type { HourBook } from './hour-book.ts';
import type { StoredMinute } from './minute-rows.ts';
import { RecentBook } from './recent-book.ts';
import { mergeReliance, type RelianceEvidence } from './reliance-book.ts';
import type {
  JudgedFigures,
  LatencyFigures,
  MeasuredKey,
  ReportData,
  ResumedAt,
  Resumption,
  RuleUsage,
  RunProvenance,
  SampleGroup,
  StoredSample,
  TimelineEvent,
  Totals,
  TotalsBy,
} from './report-data.ts';
import type { RuleUseCount } from './rule-uses.ts';
import type { ShapeRow } from './shape-book.ts';
import { type CellKey, cellKeyText, shapeCountNames, shapeKeyText } from './cell.ts';
import { idOfFingerprint } from './sample-id.ts';
import type { StoredHour } from './stored-hours.ts';
import type { ShapeEvidence } from './shape-evidence.ts';
import { inOneGo, partsAtOnce, type Steps } from '../steps.ts';
import { shedReasons } from './shed-reason.ts';
import type { SampledCall } from './sampled-call.ts';
import type { SampleRow } from './store-rows.ts';

interface Sum {
  readonly key: Partial<CellKey>;
  readonly counts: Counts;
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
  readonly paired: PairedDifference;
}

type MutableGroup = { -readonly [Field in keyof SampleGroup]: SampleGroup[Field] } & {
  samples: StoredSample[];
};

/** What is told apart by when it was counted. */
export interface ReportTimes {
  /** Default: nothing was resumed. */
  readonly resumedAt?: ResumedAt | undefined;
  /** For what is shown by the hour and the minute. Default: nothing is, which takes a process that asks its gates less time. */
  readonly hours?: HourBook | undefined;
  /** Before which something was counted lately, in milliseconds since 1970. Default: the moment of `hours`; without one nothing was. */
  readonly nowMs?: number | undefined;
}

/** Merges what was counted in several hours, runs and processes. */
export class ReportBuilder {
  readonly #cells = new Map<string, Sum & { readonly key: CellKey }>();
  readonly #judged = new Map<string, Sum & { readonly key: CellKey }>();
  readonly #shapes = new Map<string, ShapeEvidence>();
  readonly #reliance: RelianceEvidence[] = [];
  readonly #before = new Map<string, Resumption>();
  readonly #resumedAt: ResumedAt;
  readonly #hours: HourBook | undefined;
  readonly #recent: RecentBook | undefined;
  readonly #groups = new Map<string, MutableGroup>();
  readonly #events: TimelineEvent[] = [];
  readonly #runs = new Map<string, RunProvenance>();
  readonly #rules = new Map<string, RuleUsage>();
  readonly #notes = new Set<string>();
  readonly #maxSamplesPerFingerprint: number;
  #samplesOverLimit = 0;
  #comparedBefore = 0;

  constructor(
    maxSamplesPerFingerprint: number,
    { resumedAt = () => undefined, hours, nowMs = hours?.at }: ReportTimes = {},
  ) {
    this.#resumedAt = resumedAt;
    this.#hours = hours;
    this.#recent = nowMs === undefined ? undefined : new RecentBook(nowMs, resumedAt);
    this.#maxSamplesPerFingerprint = maxSamplesPerFingerprint;
  }

  /** The first minute that is asked for, since 1970; undefined where none is. */
  get firstMinute(): number | undefined {
    return this.#hours?.minutes.firstMinute ?? this.#recent?.firstMinute;
  }

  /** Rows of minutes come the oldest first. */
  addMinute(row: StoredMinute): void {
    this.#hours?.minutes.add(row);
    this.#recent?.addMinute(row);
  }

  /**
   * @param lastAt when something was counted in it for the last time, at the latest.
   * @param hour in which it was counted, since 1970. Default: it is in no slice of time.
   */
  addCell(cell: Sum & { readonly key: CellKey }, lastAt: number, hour?: number): void {
    const { key, counts } = cell;
    if (hour !== undefined) this.#hours?.add(key, hour, cell);
    const name = cellKeyText(key);
    addTo(this.#cells, name, key, cell);
    const at = this.#resumedAt(key.backend, key.dataset);
    if (at !== undefined && lastAt <= at) {
      this.#before.set(`${key.backend}\0${key.dataset}`, {
        backend: key.backend,
        dataset: key.dataset,
        at,
      });
      this.#comparedBefore += counts.compared;
    } else {
      addTo(this.#judged, name, key, cell);
      if (hour !== undefined) this.#recent?.addCell(key, hour, cell);
    }
  }

  /** What cells that are in no slice of time counted in an hour. */
  addHour(key: Pick<CellKey, 'backend' | 'dataset'>, hour: StoredHour): void {
    this.#hours?.addStored(key, hour);
  }

  addShape(row: Omit<ShapeRow, 'part'>): void {
    const { backend, dataset, operation, shape, stage, totals, notComparable, firstAt, lastAt } =
      row;
    const resumedAt = this.#resumedAt(backend, dataset);
    if (resumedAt !== undefined && lastAt <= resumedAt) return;
    this.#recent?.addShape(row);
    const name = shapeKeyText(row);
    const before = this.#shapes.get(name);
    const sums = { ...totals };
    for (const count of shapeCountNames) sums[count] += before?.[count] ?? 0;
    const newer = before === undefined || lastAt >= before.lastSeen;
    this.#shapes.set(name, {
      backend,
      key: dataset,
      operation,
      shape,
      stage,
      ...sums,
      notComparable: sums.compared > 0 ? undefined : newer ? notComparable : before.notComparable,
      firstSeen: Math.min(firstAt, before?.firstSeen ?? firstAt),
      lastSeen: Math.max(lastAt, before?.lastSeen ?? lastAt),
    });
  }

  /** What was last seen before the key was resumed says nothing of what runs now. */
  addReliance(row: RelianceEvidence): void {
    const resumedAt = this.#resumedAt(row.backend, row.key);
    if (resumedAt === undefined || row.lastSeen > resumedAt) this.#reliance.push(row);
  }

  addGroup(group: Omit<SampleGroup, 'id' | 'samples'>): void {
    const found = this.#groups.get(group.fingerprint);
    if (found === undefined) {
      const id = idOfFingerprint(group.fingerprint);
      this.#groups.set(group.fingerprint, { id, ...group, samples: [] });
      return;
    }
    found.count += group.count;
    found.firstAt = Math.min(found.firstAt, group.firstAt);
    found.lastAt = Math.max(found.lastAt, group.lastAt);
  }

  /** Adds a sample with its texts as JSON. The group must have been added. */
  addSample(row: Omit<SampleRow, 'sequence'>): void {
    const { fingerprint, legacy, pooled, reason, call, ...shown } = row;
    this.#groups.get(fingerprint)?.samples.push({
      ...shown,
      ...(legacy === undefined ? {} : { legacy: JSON.parse(legacy) as unknown }),
      ...(pooled === undefined ? {} : { pooled: JSON.parse(pooled) as unknown }),
      ...(reason === undefined ? {} : { reason }),
      ...(call === undefined ? {} : { call: callOf(call) }),
    });
  }

  addSamplesOverLimit(count: number): void {
    this.#samplesOverLimit += count;
  }

  addEvent(event: TimelineEvent): void {
    this.#events.push(event);
  }

  /** @param writer what tells one process's part from another's, where both were given one run's name. */
  addRun(writer: string, run: RunProvenance): void {
    this.#runs.set(writer, run);
  }

  /** @param lastAt when a process last had the rule in force. */
  addRule(count: RuleUseCount, lastAt: number): void {
    const key = `${count.backend}\0${count.rule}`;
    const sum = this.#rules.get(key);
    const uses = count.uses + (sum?.uses ?? 0);
    this.#rules.set(key, {
      ...count,
      uses,
      failures: count.failures + (sum?.failures ?? 0),
      dead: uses === 0,
      lastAt: Math.max(lastAt, sum?.lastAt ?? 0),
    });
  }

  addNote(note: string): void {
    this.#notes.add(note);
  }

  build(generatedAt: number): ReportData {
    return inOneGo(this.buildInSteps(generatedAt));
  }

  /** The same in steps. */
  *buildInSteps(generatedAt: number): Steps<ReportData> {
    const cells = yield* sorted(this.#cells);
    // Merging histograms is what takes the time here: the coarse sums are made from the less coarse ones.
    const byStage = yield* group(cells, ['backend', 'stage']);
    const byBackend = yield* group(byStage, ['backend']);
    const [all] = yield* group(byBackend, []);
    const figures = {
      byBackend: yield* totalsBy(byBackend),
      byStage: yield* totalsBy(byStage),
      byOperation: yield* totalsBy(yield* group(cells, ['backend', 'operation'])),
      byDataset: yield* totalsBy(yield* group(cells, ['backend', 'dataset'])),
      cells: yield* totalsBy(cells),
    };
    const judged =
      this.#before.size === 0
        ? { onBothLegs: yield* onBothLegs(cells) }
        : { judged: yield* this.#judgedFigures() };
    const shapes = yield* sorted(this.#shapes);
    yield partsAtOnce;
    const recent = this.#recent === undefined ? {} : { recent: yield* this.#recent.figures() };
    const slices =
      this.#hours === undefined
        ? {}
        : { hours: yield* this.#hours.slicesInSteps(), minutes: this.#hours.minutes.slices() };
    yield partsAtOnce;
    return {
      generatedAt,
      totals: totals(all ?? emptySum({})),
      ...figures,
      ...judged,
      ...recent,
      ...slices,
      shapes,
      reliance: mergeReliance(this.#reliance),
      sampleGroups: this.#sampleGroups(),
      samplesOverLimit: this.#samplesOverLimit,
      rules: [...this.#rules].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule),
      timeline: this.#events.sort((a, b) => a.at - b.at),
      runs: [...this.#runs.values()].sort((a, b) => a.startedAt - b.startedAt),
      notes: [...this.#notes],
    };
  }

  *#judgedFigures(): Steps<JudgedFigures> {
    const cells = yield* sorted(this.#judged);
    return {
      since: [...this.#before]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, resumption]) => resumption),
      comparedBefore: this.#comparedBefore,
      byStage: yield* totalsBy(yield* group(cells, ['backend', 'stage'])),
      onBothLegs: yield* onBothLegs(cells),
      cells: yield* totalsBy(cells),
    };
  }

  #sampleGroups(): SampleGroup[] {
    const groups = [...this.#groups.values()].sort(
      (a, b) => b.count - a.count || a.firstAt - b.firstAt,
    );
    return groups.map((one) => ({
      ...one,
      samples: one.samples.sort((a, b) => a.at - b.at).slice(0, this.#maxSamplesPerFingerprint),
    }));
  }
}

/** Undefined for one that was too long to be kept. */
function callOf(text: string): SampledCall | undefined {
  const call = JSON.parse(text) as Partial<SampledCall>;
  return Array.isArray(call.args) ? (call as SampledCall) : undefined;
}

function emptySum<Key extends Partial<CellKey>>(key: Key): Sum & { readonly key: Key } {
  return {
    key,
    counts: noCounts(),
    legacy: new LatencyHistogram(),
    pooled: new LatencyHistogram(),
    paired: new PairedDifference(),
  };
}

function addTo<Key extends Partial<CellKey>>(
  sums: Map<string, Sum & { readonly key: Key }>,
  name: string,
  key: Key,
  more: Sum,
): void {
  let sum = sums.get(name);
  if (sum === undefined) {
    sum = emptySum(key);
    sums.set(name, sum);
  }
  addCounts(sum.counts, more.counts);
  sum.legacy.merge(more.legacy);
  sum.pooled.merge(more.pooled);
  sum.paired.merge(more.paired);
}

/** Cells that are merged, or whose percentiles are told, in the time of one part of a step. */
const [mergedAPart, toldAPart] = [8, 2];

/** Sums over the parts that agree in `fields`, ordered by them. */
function* group(parts: readonly Sum[], fields: readonly (keyof CellKey)[]): Steps<Sum[]> {
  const sums = new Map<string, Sum>();
  for (const part of parts) {
    const key = Object.fromEntries(
      fields.map((field) => [field, part.key[field]]),
    ) as Partial<CellKey>;
    addTo(sums, fields.map((field) => part.key[field]).join('\0'), key, part);
    yield 1 / mergedAPart;
  }
  return yield* sorted(sums);
}

/** By key and stage, of what both legs were measured on: writes, which one leg alone takes, would make the other look slow. */
function* onBothLegs(cells: readonly (Sum & { readonly key: CellKey })[]): Steps<MeasuredKey[]> {
  const measured = cells.filter(({ legacy, pooled }) => legacy.count > 0 && pooled.count > 0);
  const keys = yield* group(measured, ['backend', 'dataset', 'stage']);
  return keys.map(({ key, legacy, pooled }) => {
    const { backend = '', dataset = '', stage = 'legacy' } = key;
    return { backend, dataset, stage, legacy, pooled };
  });
}

/** Names that are sorted at once, in about a millisecond. */
const sortedAtOnce = 1_000;

/** In the order of the names: by pieces that are sorted at once and then merged, two at a time. */
function* sorted<One>(found: ReadonlyMap<string, One>): Steps<One[]> {
  const names = [...found.keys()];
  let pieces: string[][] = [];
  for (let at = 0; at < names.length; at += sortedAtOnce) {
    pieces.push(names.slice(at, at + sortedAtOnce).sort());
    yield partsAtOnce / 5;
  }
  while (pieces.length > 1) {
    const merged: string[][] = [];
    for (let at = 0; at < pieces.length; at += 2)
      merged.push(yield* mergedNames(pieces[at] ?? [], pieces[at + 1] ?? []));
    pieces = merged;
  }
  return (pieces[0] ?? []).flatMap((name) => found.get(name) ?? []);
}

function* mergedNames(one: readonly string[], other: readonly string[]): Steps<string[]> {
  const merged: string[] = [];
  for (let left = 0, right = 0; left < one.length || right < other.length;) {
    const [a, b] = [one[left], other[right]];
    const first = b === undefined || (a !== undefined && a < b) ? a : b;
    if (first === a) left += 1;
    else right += 1;
    if (first !== undefined) merged.push(first);
    if (merged.length % sortedAtOnce === 0) yield partsAtOnce / 5;
  }
  return merged;
}

function* totalsBy(sums: readonly Sum[]): Steps<TotalsBy[]> {
  const found: TotalsBy[] = [];
  for (const sum of sums) {
    found.push({ ...sum.key, backend: sum.key.backend ?? '', ...totals(sum) });
    yield 1 / toldAPart;
  }
  return found;
}

function totals({ counts, legacy, pooled, paired }: Sum): Totals {
  const { shed, ...others } = counts;
  const shedByReason = Object.fromEntries(
    shedReasons.filter((reason) => shed[reason] > 0).map((reason) => [reason, shed[reason]]),
  );
  return {
    ...others,
    shed: shedReasons.reduce((sum, reason) => sum + shed[reason], 0),
    shedByReason,
    legacy: figures(legacy),
    pooled: figures(pooled),
    pooledLessLegacyMs: paired.estimate(),
  };
}

function figures(histogram: LatencyHistogram): LatencyFigures {
  return {
    count: histogram.count,
    p50Ms: histogram.percentile(50),
    p90Ms: histogram.percentile(90),
    p95Ms: histogram.percentile(95),
    p99Ms: histogram.percentile(99),
    maxMs: histogram.count === 0 ? undefined : histogram.maxMs,
  };
}
