import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import { type Stage, stages } from '@changeover/core';
import type {
  LatencyFigures,
  ReportData,
  RuleUsage,
  SampleGroup,
  ShedReason,
  StoredSample,
  TimelineEvent,
  Totals,
  TotalsBy,
} from '@changeover/bridge';
import type { DataCheck } from '@changeover/bridge';
import type { Report } from '../report.ts';

const backends: readonly string[] = ['sqlite', 'duckdb', 'postgresql'];

/** Counts of one cell; what is left out is zero, or follows from the others. */
export interface CellCounts {
  readonly backend?: string;
  readonly dataset?: string;
  readonly operation?: string;
  readonly stage?: Stage;
  readonly calls?: number;
  readonly failed?: number;
  readonly eligible?: number;
  readonly sampled?: number;
  readonly match?: number;
  readonly mismatch?: number;
  readonly raced?: number;
  readonly nondeterministic?: number;
  readonly inconclusive?: number;
  readonly shed?: Readonly<Partial<Record<ShedReason, number>>>;
  /** Latencies, recorded one by one. */
  readonly legacyMs?: readonly number[];
  readonly pooledMs?: readonly number[];
}

/** Midnight before the fixture's day, so that its times are round. */
export const startMs: number = Date.UTC(2026, 2, 14);

const minuteMs = 60_000;

type CellKey = 'backend' | 'dataset' | 'operation' | 'stage';

interface Sum {
  readonly key: Pick<TotalsBy, CellKey>;
  readonly cells: CellCounts[];
}

/** Report data from cells, summed as the recorder does. */
export function reportData(
  cells: readonly CellCounts[],
  others: Partial<ReportData> = {},
): ReportData {
  const by = (...fields: readonly CellKey[]): TotalsBy[] =>
    groups(cells, fields).map(({ key, cells: parts }) => ({ ...key, ...totalsOf(parts) }));
  return {
    generatedAt: startMs + 90 * minuteMs,
    totals: totalsOf(cells),
    byBackend: by('backend'),
    byStage: by('backend', 'stage'),
    byOperation: by('backend', 'operation'),
    byDataset: by('backend', 'dataset'),
    cells: by('backend', 'dataset', 'operation', 'stage'),
    shapes: [],
    reliance: [],
    sampleGroups: [],
    samplesOverLimit: 0,
    rules: [],
    timeline: [],
    runs: [
      {
        run: 'run-1',
        host: 'host-1',
        pid: 4711,
        node: 'v24.21.0',
        startedAt: startMs,
        lastAt: startMs + 90 * minuteMs,
      },
    ],
    notes: [],
    ...others,
  };
}

function groups(cells: readonly CellCounts[], fields: readonly CellKey[]): Sum[] {
  const sums = new Map<string, Sum>();
  for (const cell of cells) {
    const full = {
      backend: 'sqlite',
      dataset: 'titanic',
      operation: 'readTable',
      stage: 'shadow',
      ...cell,
    } as const;
    const key = Object.fromEntries(fields.map((field) => [field, full[field]])) as unknown as Pick<
      TotalsBy,
      CellKey
    >;
    const name = JSON.stringify(key);
    const sum = sums.get(name) ?? { key, cells: [] };
    sum.cells.push(cell);
    sums.set(name, sum);
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

function totalsOf(cells: readonly CellCounts[]): Totals {
  const sum = (count: (cell: CellCounts) => number | undefined): number =>
    cells.reduce((all, cell) => all + (count(cell) ?? 0), 0);
  const shedByReason: Partial<Record<ShedReason, number>> = {};
  for (const { shed = {} } of cells) {
    for (const [reason, count] of Object.entries(shed) as [ShedReason, number][])
      shedByReason[reason] = (shedByReason[reason] ?? 0) + count;
  }
  return {
    calls: sum(callsOf),
    failed: sum(({ failed }) => failed),
    fallbacks: 0,
    eligible: sum(eligibleOf),
    sampled: sum(sampledOf),
    compared: sum(comparedOf),
    match: sum(({ match }) => match),
    mismatch: sum(({ mismatch }) => mismatch),
    raced: sum(({ raced }) => raced),
    nondeterministic: sum(({ nondeterministic }) => nondeterministic),
    inconclusive: sum(({ inconclusive }) => inconclusive),
    shed: sum(shedOf),
    shedByReason,
    legacy: figuresOf(cells.flatMap(({ legacyMs = [] }) => legacyMs)),
    pooled: figuresOf(cells.flatMap(({ pooledMs = [] }) => pooledMs)),
    pooledLessLegacyMs: differenceOf(cells).estimate(),
  };
}

function differenceOf(cells: readonly CellCounts[]): PairedDifference {
  const difference = new PairedDifference();
  for (const { legacyMs = [], pooledMs = [] } of cells) {
    pooledMs.forEach((ms, at) => {
      difference.add(legacyMs[at] ?? Number.NaN, ms);
    });
  }
  return difference;
}

function comparedOf({
  match = 0,
  mismatch = 0,
  raced = 0,
  nondeterministic = 0,
  inconclusive = 0,
}: CellCounts): number {
  return match + mismatch + raced + nondeterministic + inconclusive;
}

function shedOf({ shed = {} }: CellCounts): number {
  return Object.values(shed).reduce((sum, count) => sum + count, 0);
}

function sampledOf(cell: CellCounts): number {
  return cell.sampled ?? comparedOf(cell) + shedOf(cell);
}

function eligibleOf(cell: CellCounts): number {
  return cell.eligible ?? sampledOf(cell);
}

function callsOf(cell: CellCounts): number {
  return cell.calls ?? eligibleOf(cell);
}

function figuresOf(latencies: readonly number[]): LatencyFigures {
  const histogram = new LatencyHistogram();
  for (const ms of latencies) histogram.record(ms);
  return {
    count: histogram.count,
    p50Ms: histogram.percentile(50),
    p90Ms: histogram.percentile(90),
    p95Ms: histogram.percentile(95),
    p99Ms: histogram.percentile(99),
    maxMs: histogram.count === 0 ? undefined : histogram.maxMs,
  };
}

/** Latencies spread around a median, the same for the same arguments. */
export function latencies(count: number, medianMs: number): number[] {
  return Array.from(
    { length: count },
    (_, at) =>
      medianMs * Math.exp(1.1 * Math.sin(at * 2.399) * Math.abs(Math.sin(at * 0.713)) ** 2),
  );
}

const datasets = [
  'titanic',
  'flights-200k',
  'birdstrikes',
  'zipcodes',
  'penguins',
  'weather',
  'species',
  'cities',
];
const operations = [
  'readTable',
  'readData',
  'query',
  'getTableInfo',
  'getColumns',
  'analyzeColumn',
  'listTables',
  'writeTable',
  'execute',
  'transaction',
];
const unlike = ['value', 'type', 'missing-row', 'extra-row', 'order', 'columns', 'error'];
const medians: Readonly<Record<string, readonly [legacyMs: number, pooledMs: number]>> = {
  sqlite: [0.42, 0.08],
  duckdb: [6.1, 4.2],
  postgresql: [9.4, 1.3],
};

export interface SampleReportOptions {
  readonly mismatches: number;
  /** How many reasons they have. Default: one for each, at most 25. */
  readonly reasons?: number;
  /** In place of names of datasets, operations and so on. */
  readonly text?: string;
}

/** A migration of three backends with as many mismatches as asked for, all of them at `shadow`. */
export function sampleReport({
  mismatches,
  reasons = Math.min(mismatches, 25),
  text,
}: SampleReportOptions): Report {
  const cells = backends.flatMap((backend) =>
    stages.flatMap((stage) =>
      datasets.flatMap((dataset, column) =>
        operations.map((operation, row) =>
          cell(
            backend,
            stage,
            text === undefined ? dataset : `${dataset}${text}`,
            text === undefined ? operation : `${operation}${text}`,
            row * datasets.length + column,
            mismatches,
          ),
        ),
      ),
    ),
  );
  const sampleGroups = [
    ...Array.from({ length: reasons }, (_, at) =>
      mismatchGroup(at, share(mismatches, at, reasons), text),
    ),
    otherGroup('nondeterministic', 'query', text),
    otherGroup('raced', 'readTable', text),
    otherGroup('inconclusive', 'readData', text),
  ];
  return {
    data: reportData(cells, {
      sampleGroups,
      rules: rules(text),
      timeline: timeline(text),
      notes: text === undefined ? [] : [text],
    }),
    dataChecks: dataChecks(text),
    provenance: {
      seed: '1',
      flags: 'revision 12',
      changeover: '0.1.0',
      [text ?? 'rules']: text ?? 'none',
    },
    ...(text === undefined ? {} : { title: text }),
  };
}

function rules(text: string | undefined): RuleUsage[] {
  const lastAt = startMs + 90 * minuteMs;
  const rule = (
    fields: Readonly<Record<string, unknown>>,
    uses: number,
    failures = 0,
  ): RuleUsage => ({
    backend: 'sqlite',
    rule: JSON.stringify(fields),
    uses,
    failures,
    dead: uses === 0,
    lastAt,
  });
  return [
    rule(
      {
        kind: 'ignore-column',
        column: text ?? 'loaded_at',
        dataset: text ?? 'titanic',
        reason: text ?? 'its own time',
      },
      1_234,
    ),
    rule({ kind: 'tolerance', column: text ?? 'total', relative: 1e-9, operation: 'query' }, 0),
    rule({ kind: 'comparator', column: text ?? 'name' }, 3, 2),
  ];
}

/** Part `at` of so many parts of a whole, the first ones larger by one where it doesn't divide. */
function share(whole: number, at: number, parts: number): number {
  return Math.floor(whole / parts) + (at < whole % parts ? 1 : 0);
}

function cell(
  backend: string,
  stage: Stage,
  dataset: string,
  operation: string,
  index: number,
  mismatches: number,
): CellCounts {
  const both = stage === 'shadow' || stage === 'reverse';
  const isWrite = index >= 7 * datasets.length;
  const [legacyMs, pooledMs] = medians[backend] ?? [1, 1];
  const calls = 400 + ((index * 37) % 260);
  const latency = {
    ...(stage === 'pooled' ? {} : { legacyMs: latencies(20, legacyMs * (1 + (index % 5) / 4)) }),
    ...(stage === 'legacy' ? {} : { pooledMs: latencies(20, pooledMs * (1 + (index % 5) / 4)) }),
  };
  const key = { backend, dataset, operation, stage, calls, ...latency };
  if (!both || (stage === 'reverse' && isWrite)) return key;
  const sampled = Math.round(calls * 0.8);
  // Few fields have all the mismatches, as where there is one bug.
  const wrong =
    stage === 'shadow' && index % 7 === 3
      ? share(mismatches, backends.indexOf(backend) * 12 + Math.floor(index / 7), 36)
      : 0;
  const compared = Math.max(Math.round(sampled * 0.9), wrong);
  const shed = {
    'queue-full': Math.round(sampled * 0.06),
    'legacy-busy': Math.round(sampled * 0.03),
  };
  const raced = Math.min(compared - wrong, index % 6);
  const nondeterministic = Math.min(
    compared - wrong - raced,
    operation.startsWith('query') ? 4 : 0,
  );
  const inconclusive = Math.min(
    compared - wrong - raced - nondeterministic,
    operation.startsWith('readData') ? 1 : 0,
  );
  return {
    ...key,
    calls: Math.max(calls, wrong * 2),
    eligible: Math.max(calls, wrong * 2),
    sampled: Math.max(sampled, compared + shed['queue-full'] + shed['legacy-busy']),
    match: compared - wrong - raced - nondeterministic - inconclusive,
    mismatch: wrong,
    raced,
    nondeterministic,
    inconclusive,
    shed,
  };
}

function mismatchGroup(at: number, count: number, text = ''): SampleGroup {
  const [kind = 'value', operation = 'readTable', dataset = 'titanic'] = [
    unlike[at % unlike.length],
    operations[at % 7],
    datasets[at % datasets.length],
  ];
  const places = Array.from({ length: 1 + (at % 5) }, (_, row) => ({
    row: row * 17 + at,
    column: `${['fare', 'Beak Length (mm)', 'origin', 'date'][row % 4] ?? ''}${text}`,
  }));
  const value = (leg: string, row: number): object => ({
    type: row % 2 === 0 ? 'text' : 'double',
    length: 4 + row,
    digest: hexOf(`${leg}${at}${row}`),
  });
  return {
    id: `m${hexOf(`${at}`).slice(0, 7)}`,
    fingerprint: `${operation}:${kind}:${at}${text}`,
    key: `${dataset}${text}`,
    shape: operation === 'query' ? `select * from t where a = ?${text}` : text,
    backend: backends[at % backends.length] ?? 'sqlite',
    operation: `${operation}${text}`,
    verdict: 'mismatch',
    class: kind,
    count,
    firstAt: startMs + at * minuteMs,
    lastAt: startMs + (at + 60) * minuteMs,
    samples: Array.from({ length: Math.min(count, 2) }, (_, sample): StoredSample => ({
      at: startMs + (at + sample) * minuteMs,
      dataset: `${dataset}${text}`,
      stage: 'shadow',
      summary: `${kind} in "fare"; legacy 1000 rows, pooled ${kind === 'missing-row' ? 999 : 1000} rows${text}`,
      call: {
        kind: 'read',
        values: 'redacted',
        args: [
          'key',
          'text(43)',
          ['number', 'text(5)'],
          { limit: 'number' },
          ...(text === '' ? [] : [text]),
        ],
        ...(sample === 0 ? { trace: text === '' ? '4bf92f3577b34da6a3ce929d0e0e4736' : text } : {}),
      },
      ...(kind === 'error'
        ? {}
        : {
            legacy: places.map((place, row) => ({ ...place, value: value('legacy', row) })),
            pooled: places.map((place, row) => ({ ...place, value: value('pooled', row) })),
          }),
    })),
  };
}

function hexOf(seed: string): string {
  let hash = 2_166_136_261;
  for (const character of seed) hash = Math.imul(hash ^ character.charCodeAt(0), 16_777_619) >>> 0;
  return `${hash.toString(16).padStart(8, '0')}${(hash % 65_536).toString(16).padStart(4, '0')}`;
}

function otherGroup(
  verdict: 'nondeterministic' | 'raced' | 'inconclusive',
  operation: string,
  text = '',
): SampleGroup {
  return {
    id: `n${hexOf(verdict).slice(0, 7)}`,
    fingerprint: `${operation}:${verdict}${text}`,
    backend: 'duckdb',
    operation: `${operation}${text}`,
    verdict,
    class: 'order',
    count: 12,
    firstAt: startMs,
    lastAt: startMs + 70 * minuteMs,
    samples: [
      {
        at: startMs,
        dataset: `flights-200k${text}`,
        stage: 'shadow',
        summary: `legacy 200 rows, pooled 200 rows${text}`,
        reason: `ran again${text}`,
      },
    ],
  };
}

/** Each dataset forward one stage after the other; SQLite is rolled back once on the way. */
function timeline(text = ''): TimelineEvent[] {
  const event = (at: number, fields: Readonly<Record<string, unknown>>): TimelineEvent => ({
    at: startMs + at * minuteMs,
    run: 'run-1',
    kind: 'stage',
    fields,
  });
  const forward = backends.flatMap((backend, backendAt) =>
    datasets.flatMap((dataset, index) =>
      stages.slice(1).map((to, step) =>
        event(5 + step * 26 + index * 2 + backendAt, {
          backend,
          dataset: `${dataset}${text}`,
          from: stages[step],
          to,
          reason: `flag${text}`,
          revision: `r${step + 1}`,
        }),
      ),
    ),
  );
  const back = ['titanic', 'zipcodes'].flatMap((name) => [
    event(50, {
      backend: 'sqlite',
      dataset: `${name}${text}`,
      from: 'reverse',
      to: 'legacy',
      reason: `mismatch above the limit${text}`,
    }),
    event(56, {
      backend: 'sqlite',
      dataset: `${name}${text}`,
      from: 'legacy',
      to: 'reverse',
      reason: `hold lifted${text}`,
    }),
  ]);
  return [...forward, ...back].sort((a, b) => a.at - b.at);
}

function dataChecks(text = ''): DataCheck[] {
  return backends.flatMap((backend) =>
    datasets.map((dataset, at): DataCheck => {
      const expected = `${1_000 + at * 333} rows, ${hexOf(dataset)}${text}`;
      return {
        backend,
        key: `${dataset}${text}`,
        table: `data${text}`,
        rows: 1_000 + at * 333,
        ok: true,
        expected,
        found: expected,
      };
    }),
  );
}
