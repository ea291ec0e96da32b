import type { LatencyHistogramJson } from '@changeover/compare';
import { countNames, type Counts } from '../recorder/counts.ts';
import { shapeCountNames, type ShapeTotals } from '../recorder/cell.ts';
import type { StoredKey } from '../recorder/minute-rows.ts';
import type { StoredHour, StoredHours } from '../recorder/stored-hours.ts';
import type { StoredShape } from '../recorder/shape-rows.ts';
import { shedReasons } from '../recorder/shed-reason.ts';
import type { StoredCell, StoredTables, StoredWriter } from '../recorder/stored-tables.ts';
import type { Steps } from '../steps.ts';
import { foldedWriter } from './fleet-read.ts';

type CellKeyColumns = Pick<
  StoredCell,
  'writer' | 'part' | 'hour' | 'backend' | 'dataset' | 'operation' | 'stage'
>;

/** A cell as the shared store has it: its counters are a list in the order of `countNames`, to which later versions append. */
export interface FleetCell extends CellKeyColumns {
  readonly counts: readonly number[];
  readonly shed: Readonly<Record<string, number>> | null;
  readonly legacy: unknown;
  readonly pooled: unknown;
  readonly paired: unknown;
  readonly last_at: number;
}

/** A shape as the shared store has it, its counters in the order of `shapeCountNames`. */
export type FleetShape = Omit<StoredShape, keyof ShapeTotals> & {
  readonly counts: readonly number[];
};

/** A process's row, in the order of the columns: there are as many as processes. */
type FleetWriter = readonly [
  writer: string,
  run: string,
  host: string,
  pid: number,
  node: string,
  startedAt: number,
  lastAt: number,
  samplesOverLimit: number,
];

/** A cell's row as `read_keys_1` gives it. */
type ReadCell = readonly [
  hour: number,
  backend: string,
  dataset: string,
  operation: string,
  stage: StoredCell['stage'],
  counts: readonly number[],
  shed: FleetCell['shed'],
  legacy: ReadLatency | null,
  pooled: ReadLatency | null,
  paired: unknown,
  lastAt: number,
  writer: string,
  part: number,
];
/** Buckets each with its count behind it, one or several times. */
type ReadLatency = readonly [sumMs: number, maxMs: number, buckets: string];

/** A shape's row as `read_keys_1` gives it. */
type ReadShape = readonly [
  backend: string,
  dataset: string,
  operation: string,
  shape: string,
  stage: StoredShape['stage'],
  counts: readonly number[],
  notComparable: string | null,
  firstAt: number,
  lastAt: number,
  writer: string,
  part: number,
];

/** A key's hours as `read_all_1` gives them. */
type ReadHours = readonly [backend: string, dataset: string, hours: readonly StoredHour[]];

/** The counters as they are stored. */
export function countsList(counts: Counts): number[] {
  return countNames.map((name) => counts[name]);
}

/** Only the reasons that there were, null where there were none. */
export function shedOf(counts: Counts): Record<string, number> | null {
  const found = shedReasons.filter((reason) => counts.shed[reason] !== 0);
  return found.length === 0
    ? null
    : Object.fromEntries(found.map((reason) => [reason, counts.shed[reason]]));
}

const noLatency = JSON.stringify({ buckets: [], sumMs: 0, maxMs: 0 });

function writerOf(row: FleetWriter): StoredWriter {
  const [writer, run, host, pid, node, started_at, last_at, samples_over_limit] = row;
  return { writer, run, host, pid, node, started_at, last_at, samples_over_limit };
}

/** A row that a function of the store gives: of which kind, and its text. Parsed at once a large store would block the reader's event loop. */
export type ReadRow = readonly [kind: string, value: string];

/** What all processes counted of some keys. */
export interface KeysReading {
  /** Of those that were asked for and of those that were next. */
  readonly keys: readonly StoredKey[];
  /** The last one of those that were next; undefined where there was none. */
  readonly last: StoredKey | undefined;
  readonly tables: Pick<StoredTables, 'cells' | 'shapes' | 'reliance' | 'hours'>;
  /** In characters, at the wire. */
  readonly length: number;
  /** Rows that the server added up for it, with latencies and without. */
  readonly added: { readonly timed: number; readonly plain: number };
}

/** What is told of no key by itself. */
export interface OthersReading {
  readonly tables: Omit<StoredTables, 'cells' | 'shapes' | 'reliance'>;
  /** In characters, at the wire. */
  readonly length: number;
}

/** Rows that are parsed in the time of one part of a step. */
const rowsAPart = 5;

/** Parses what `read_keys_1` gives. */
export function* keysInSteps(found: readonly ReadRow[]): Steps<KeysReading> {
  const { rows, length } = yield* rowsByKind(found);
  const [timed = 0, plain = 0] = (rows['added']?.[0] ?? []) as number[];
  const { cells = [], shapes = [], reliance = [], hours = [] } = rows;
  const { keys = [], last = [] } = rows;
  return {
    keys: (keys as NameRow[]).map(nameOf),
    last: (last as NameRow[]).map(nameOf)[0],
    tables: { cells, shapes, reliance, hours } as KeysReading['tables'],
    length,
    added: { timed, plain },
  };
}

type NameRow = readonly [backend: string, dataset: string];

function nameOf([backend, dataset]: NameRow): StoredKey {
  return { backend, dataset };
}

/** Parses what `read_others_1` gives. Those that are gone are no process. */
export function* othersInSteps(found: readonly ReadRow[]): Steps<OthersReading> {
  const { rows, length } = yield* rowsByKind(found);
  const { groups = [], samples = [], events = [], rules = [] } = rows;
  const writers = ((rows['writers'] ?? []) as StoredWriter[]).filter(
    ({ writer }) => writer !== foldedWriter,
  );
  const tables = { writers, groups, samples, events, rules };
  return { tables: tables as unknown as OthersReading['tables'], length };
}

function* rowsByKind(
  found: readonly ReadRow[],
): Steps<{ readonly rows: Record<string, unknown[]>; readonly length: number }> {
  const rows: Record<string, unknown[]> = {};
  let length = 0;
  for (const [kind, text] of found) {
    const row: unknown = JSON.parse(text);
    (rows[kind] ??= []).push(storedRow[kind]?.(row as never) ?? row);
    length += text.length;
    yield 1 / rowsAPart;
  }
  return { rows, length };
}

/** Of each kind whose rows are kept in another form. */
const storedRow: Readonly<Record<string, (row: never) => object>> = {
  writers: writerOf,
  cells: readCell,
  shapes: readShape,
  hours: readHours,
};

function readHours([backend, dataset, hours]: ReadHours): StoredHours {
  return { backend, dataset, hours };
}

function readCell(row: ReadCell): StoredCell {
  const [hour, backend, dataset, operation, stage, counts, shed, legacy, pooled, paired] = row;
  const [lastAt, writer, part] = [row[10], row[11], row[12]];
  const cell = { writer, part, hour, backend, dataset, operation, stage, counts, shed, paired };
  return cellOf({ ...cell, legacy: latencyOf(legacy), pooled: latencyOf(pooled), last_at: lastAt });
}

function latencyOf(row: ReadLatency | null): LatencyHistogramJson | null {
  if (row === null) return null;
  const [sumMs, maxMs, text] = row;
  const counts = new Map<number, number>();
  const numbers = text === '' ? [] : text.split(',');
  for (let at = 0; at < numbers.length; at += 2) {
    const bucket = Number(numbers[at]);
    counts.set(bucket, (counts.get(bucket) ?? 0) + Number(numbers[at + 1]));
  }
  return { buckets: [...counts].sort(([a], [b]) => a - b), sumMs, maxMs };
}

function readShape(row: ReadShape): StoredShape {
  const [backend, dataset, operation, shape, stage, counts, not_comparable] = row;
  const [, , , , , , , first_at, last_at, writer, part] = row;
  const key = { writer, part, backend, dataset, operation, shape, stage };
  return shapeOf({ ...key, counts, not_comparable, first_at, last_at });
}

/** The row in the form that the embedded store gives it. */
export function cellOf(row: FleetCell): StoredCell {
  return {
    ...row,
    ...(Object.fromEntries(countNames.map((name, at) => [name, row.counts[at] ?? 0])) as Record<
      (typeof countNames)[number],
      number
    >),
    shed: JSON.stringify(row.shed ?? {}),
    legacy_latency: row.legacy === null ? noLatency : JSON.stringify(row.legacy),
    pooled_latency: row.pooled === null ? noLatency : JSON.stringify(row.pooled),
    paired: row.paired === null ? null : JSON.stringify(row.paired),
  };
}

/** The row in the form that the embedded store gives it. */
export function shapeOf(row: FleetShape): StoredShape {
  const totals = Object.fromEntries(shapeCountNames.map((name, at) => [name, row.counts[at] ?? 0]));
  return { ...row, ...(totals as ShapeTotals) };
}
