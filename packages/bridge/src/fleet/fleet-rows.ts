import { countNames, type Counts } from '../recorder/counts.ts';
import type { StoredReliance } from '../recorder/reliance-rows.ts';
import { shapeCountNames, type ShapeTotals } from '../recorder/cell.ts';
import type { StoredShape } from '../recorder/shape-rows.ts';
import { shedReasons } from '../recorder/shed-reason.ts';
import type {
  StoredCell,
  StoredEvent,
  StoredGroup,
  StoredRule,
  StoredSampleRow,
  StoredTables,
  StoredWriter,
} from '../recorder/stored-tables.ts';
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

/** What `read_2` gives. */
export interface FleetRows {
  readonly writers: readonly FleetWriter[];
  readonly cells: readonly FleetCell[];
  readonly groups: readonly StoredGroup[];
  readonly samples: readonly StoredSampleRow[];
  readonly events: readonly StoredEvent[];
  readonly rules: readonly StoredRule[];
  readonly shapes: readonly FleetShape[];
  readonly reliance: readonly StoredReliance[];
  /** Rows of processes that were added up for it. */
  readonly added: number;
}

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

/** All of `read_2`, a row each: parsed at once a large store would block the reader's event loop. */
export function tablesQuery(schema: string): string {
  return `select tables.key, row.value::text from json_each(${schema}.read_2($1)) tables, lateral json_array_elements(
    case json_typeof(tables.value) when 'array' then tables.value else json_build_array(tables.value) end) row`;
}

/** What a reader of the store gets. */
export interface FleetReading {
  readonly tables: StoredTables;
  /** In characters, at the wire. */
  readonly length: number;
  /** Rows that the server added up for it. */
  readonly added: number;
}

/** Rows that are parsed in the time of one part of a step. */
const rowsAPart = 5;

/** Parses what {@link tablesQuery} gives. */
export function* readingInSteps(
  found: readonly (readonly [table: string, row: string])[],
): Steps<FleetReading> {
  const rows: Record<string, unknown[]> = {};
  let length = 0;
  for (const [table, text] of found) {
    const row: unknown = JSON.parse(text);
    (rows[table] ??= []).push(storedRow[table]?.(row as never) ?? row);
    length += text.length;
    yield 1 / rowsAPart;
  }
  const tables = { ...noTables, ...rows } as unknown as StoredTables;
  return { tables: withoutFolded(tables), length, added: Number(rows['added']?.[0] ?? 0) };
}

/** The rows in the form that the embedded store gives them. */
export function tablesOf({ writers, cells, shapes, ...others }: FleetRows): StoredTables {
  return withoutFolded({
    ...others,
    writers: writers.map(writerOf),
    cells: cells.map(cellOf),
    shapes: shapes.map(shapeOf),
  });
}

/** Of each table whose rows are kept in another form. */
const storedRow: Readonly<Record<string, (row: never) => object>> = {
  writers: writerOf,
  cells: cellOf,
  shapes: shapeOf,
};

const noTables = {
  writers: [],
  cells: [],
  groups: [],
  samples: [],
  events: [],
  rules: [],
  shapes: [],
  reliance: [],
};

/** Those that are gone are no process. */
function withoutFolded(tables: StoredTables): StoredTables {
  const writers = [...tables.writers].filter(({ writer }) => writer !== foldedWriter);
  return { ...tables, writers };
}

function cellOf(row: FleetCell): StoredCell {
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

function shapeOf(row: FleetShape): StoredShape {
  const totals = Object.fromEntries(shapeCountNames.map((name, at) => [name, row.counts[at] ?? 0]));
  return { ...row, ...(totals as ShapeTotals) };
}
