import equal from 'fast-deep-equal';
import { digestRows } from './digest.ts';

/** The kinds of difference, from the most to the least telling: the first that applies names the mismatch. */
export const differenceClasses = ['error', 'columns', 'missing-row', 'extra-row', 'order', 'type', 'value'] as const;

/** One kind of difference. */
export type DifferenceClass = (typeof differenceClasses)[number];

/** One place where two results differ. */
export interface CellDifference {
  /** Position of the row in the legacy leg's result; in the pooled leg's for an extra row. */
  readonly row: number;
  /** Undefined where the whole row is missing or extra. */
  readonly column: string | undefined;
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** How two results differ. Holds values of the data: redact before it leaves the process. */
export interface Difference {
  readonly class: DifferenceClass;
  /** The columns that differ, in order; empty where whole rows do. */
  readonly columns: readonly string[];
  readonly cells: readonly CellDifference[];
}

type Rows = readonly Readonly<Record<string, unknown>>[];

/** Cells shown of one mismatch. */
const maxCells = 5;
/** Rows looked at cell by cell; the class of a larger difference is told from these. */
const maxPaired = 10_000;

/**
 * Finds how two results differ; undefined where they don't. Rows that both have are paired off by their digests first,
 * so that the work is linear in the number of rows.
 */
export function findDifference(legacy: unknown, pooled: unknown, ordered: boolean): Difference | undefined {
  const a = asRows(legacy);
  const b = asRows(pooled);
  if (a === undefined || b === undefined) {
    return equal(legacy, pooled) ? undefined
      : { class: typeName(legacy) === typeName(pooled) ? 'value' : 'type', columns: [], cells: [{ row: 0, column: undefined, legacy, pooled }] };
  }
  const columns = a.columns ?? Object.keys(a.rows[0] ?? {});
  const others = b.columns ?? Object.keys(b.rows[0] ?? {});
  if ((a.rows.length > 0 && b.rows.length > 0) || (a.columns !== undefined && b.columns !== undefined)) {
    if (!equal(columns, others)) return { class: 'columns', columns: unshared(columns, others), cells: [] };
  }
  const left = unpaired(a.rows, b.rows, columns);
  if (left.legacy.length === 0 && left.pooled.length === 0) return ordered ? orderDifference(a.rows, b.rows) : undefined;
  return rowDifference(a.rows, b.rows, left, columns);
}

/** Rows of each side, by position, that the other side doesn't have. */
interface Unpaired {
  readonly legacy: readonly number[];
  readonly pooled: readonly number[];
}

function unpaired(a: Rows, b: Rows, columns: readonly string[]): Unpaired {
  const waiting = new Map<string, number[]>();
  const key = (row: Readonly<Record<string, unknown>>): string => digestRows([row as never], columns).orderFree;
  for (const [at, row] of a.entries()) {
    const name = key(row);
    const positions = waiting.get(name);
    if (positions === undefined) waiting.set(name, [at]);
    else positions.push(at);
  }
  const pooled: number[] = [];
  for (const [at, row] of b.entries()) if (waiting.get(key(row))?.shift() === undefined) pooled.push(at);
  return { legacy: [...waiting.values()].flat().sort((x, y) => x - y), pooled };
}

function rowDifference(a: Rows, b: Rows, left: Unpaired, columns: readonly string[]): Difference {
  if (left.legacy.length !== left.pooled.length) {
    const missing = left.legacy.length > left.pooled.length;
    const cells = missing
      ? left.legacy.slice(0, maxCells).map((row) => ({ row, column: undefined, legacy: a[row], pooled: undefined }))
      : left.pooled.slice(0, maxCells).map((row) => ({ row, column: undefined, legacy: undefined, pooled: b[row] }));
    return { class: missing ? 'missing-row' : 'extra-row', columns: [], cells };
  }
  const cells: CellDifference[] = [];
  const differing = new Set<string>();
  let typesDiffer = false;
  for (const [at, row] of left.legacy.slice(0, maxPaired).entries()) {
    const x = a[row];
    const y = b[left.pooled[at] ?? 0];
    for (const column of columns) {
      const legacy = x?.[column];
      const pooled = y?.[column];
      if (equal(legacy, pooled)) continue;
      differing.add(column);
      typesDiffer ||= typeName(legacy) !== typeName(pooled);
      if (cells.length < maxCells) cells.push({ row, column, legacy, pooled });
    }
  }
  return { class: typesDiffer ? 'type' : 'value', columns: columns.filter((column) => differing.has(column)), cells };
}

function orderDifference(a: Rows, b: Rows): Difference | undefined {
  const row = a.findIndex((x, at) => !equal(x, b[at]));
  return row < 0 ? undefined : { class: 'order', columns: [], cells: [{ row, column: undefined, legacy: a[row], pooled: b[row] }] };
}

function asRows(result: unknown): { rows: Rows; columns: readonly string[] | undefined } | undefined {
  if (Array.isArray(result)) return result.every(isObject) ? { rows: result as Rows, columns: undefined } : undefined;
  if (!isObject(result)) return undefined;
  const { rows, columns } = result as { rows?: unknown; columns?: unknown };
  return Array.isArray(rows) && Array.isArray(columns) ? { rows: rows as Rows, columns: columns as string[] } : undefined;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unshared(a: readonly string[], b: readonly string[]): string[] {
  return [...a.filter((name) => !b.includes(name)), ...b.filter((name) => !a.includes(name))];
}

/** A value's type as a report names it. Numbers and safe bigints are one type. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (ArrayBuffer.isView(value)) return 'bytes';
  return typeof value === 'bigint' ? 'number' : typeof value;
}
