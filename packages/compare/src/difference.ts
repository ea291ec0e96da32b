import type { Row } from '@changeover/core';
import { isPlain } from './canonical.ts';
import { asTable, type Table } from './digest.ts';
import { type ColumnRules, noColumnRules } from './column-rules.ts';
import { pairRows, type RowPairing } from './row-pairing.ts';
import { sameValue } from './row-hasher.ts';
import { typeName, typesDiffer } from './value-type.ts';

/**
 * The kinds of difference, in the order of precedence: the first that applies names the mismatch.
 *
 * - `error`: one leg failed, or both did in different ways. Never found here, since results alone are compared here.
 * - `columns`: other names, other order of names, or a row with other names than the rest.
 * - `missing-row`, `extra-row`: a row (or an element of a list) that only the legacy, or only the pooled leg has, and
 *   that is no changed row of the other's.
 * - `type`: a value of another type. NULL is of every type.
 * - `value`: another value of the same type.
 * - `order`: the same rows in another order where the order was promised.
 */
export type DifferenceClass =
  'error' | 'columns' | 'missing-row' | 'extra-row' | 'type' | 'value' | 'order';

/** One place where two results differ. */
export interface CellDifference {
  /** Position of the row in the legacy leg's result; in the pooled leg's for an extra row. 0 in what is no list. */
  readonly row: number;
  /** The column, or the path inside a nested value. Undefined where the whole row is missing, extra or moved. */
  readonly column: string | undefined;
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** How two results differ. Holds values of the data: redact before it leaves the process. */
export interface Difference {
  readonly class: DifferenceClass;
  /** The columns that differ, in order; empty where whole rows do. */
  readonly columns: readonly string[];
  /** The first few places. */
  readonly cells: readonly CellDifference[];
  /** Rows that only the legacy leg has, only the pooled leg has, and both have with different values. */
  readonly rows: { readonly missing: number; readonly extra: number; readonly changed: number };
}

/** Places shown of one mismatch. */
const maxCells = 5;
/** Changed rows looked at cell by cell; the columns and the class of a larger difference are told from these. */
const maxChangedRows = 10_000;
/** Columns named in a fingerprint. */
const maxFingerprintColumns = 8;
/** Levels that are walked down into a nested value to show the place. */
const maxPathDepth = 8;

const noRows = { missing: 0, extra: 0, changed: 0 } as const;

/**
 * Finds how two results differ; undefined where they don't, by the same canonical values as the digests, or where rules
 * allow what they differ in. The work grows with the number of rows, not with its square.
 *
 * @param ordered the operation promises the order of its rows.
 */
export function findDifference(
  legacy: unknown,
  pooled: unknown,
  ordered: boolean,
  rules: ColumnRules = noColumnRules,
): Difference | undefined {
  const [a, b] = [asTable(legacy), asTable(pooled)];
  if (a !== undefined && b !== undefined) return tableDifference(a, b, ordered, rules);
  if (Array.isArray(legacy) && Array.isArray(pooled)) {
    const [left, right] = [asSingleColumn(legacy), asSingleColumn(pooled)];
    const difference = rowsDifference(left, right, [element], ordered, rules);
    return difference === undefined ? undefined : withPaths(difference);
  }
  return valueDifference(legacy, pooled, rules);
}

/** Groups mismatches of one reason: the operation, the class, where, and the types, but no values. */
export function fingerprintOf(operation: string, difference: Difference): string {
  const [cell] = difference.cells;
  const withTypes =
    (difference.class === 'type' || difference.class === 'value') && cell !== undefined;
  const types = withTypes ? [`${typeName(cell.legacy)}/${typeName(cell.pooled)}`] : [];
  const place = (column: string): string =>
    JSON.stringify(column.slice(0, 80).replaceAll(/\[\d+\]/g, '[]'));
  const places = difference.columns.slice(0, maxFingerprintColumns).map(place);
  const left = difference.columns.length - places.length;
  const more = left > 0 ? [`and ${String(left)} more`] : [];
  return [operation, difference.class, ...new Set([...places, ...more]), ...types].join(':');
}

/** What stands for the column of a list whose elements are no rows. */
const element = '';

function asSingleColumn(list: readonly unknown[]): Row[] {
  return Array.from(list, (item) => ({ [element]: item }) as Row);
}

function withPaths(difference: Difference): Difference {
  const cells = difference.cells.map((cell) =>
    cell.column === undefined
      ? { ...cell, legacy: inside(cell.legacy), pooled: inside(cell.pooled) }
      : { ...cell, column: `[${String(cell.row)}]` },
  );
  return { ...difference, cells, columns: [] };
}

function inside(row: unknown): unknown {
  return row === undefined ? undefined : (row as Row)[element];
}

function tableDifference(
  a: Table,
  b: Table,
  ordered: boolean,
  rules: ColumnRules,
): Difference | undefined {
  const seen = (table: Table): readonly string[] =>
    (table.columns ?? Object.keys(table.rows[0] ?? {})).filter((column) => !rules.ignores(column));
  const [columns, others] = [seen(a), seen(b)];
  const bothSeen = (a.columns ?? a.rows[0]) !== undefined && (b.columns ?? b.rows[0]) !== undefined;
  if (bothSeen && !sameValue(columns, others)) {
    return { class: 'columns', columns: unshared(columns, others), cells: [], rows: noRows };
  }
  return rowsDifference(
    a.rows,
    b.rows,
    bothSeen || a.rows.length > 0 ? columns : others,
    ordered,
    rules,
  );
}

function rowsDifference(
  a: readonly Row[],
  b: readonly Row[],
  columns: readonly string[],
  ordered: boolean,
  rules: ColumnRules,
): Difference | undefined {
  const pairing = pairRows(a, b, columns, rules);
  const changed = changedCells(a, b, pairing, columns, rules);
  const rows = {
    missing: pairing.missing.length,
    extra: pairing.extra.length,
    changed: changed.rows,
  };
  if (rows.missing + rows.extra + rows.changed === 0)
    return ordered ? orderDifference(a, b, pairing) : undefined;
  if (changed.foreign.length > 0)
    return { class: 'columns', columns: changed.foreign, cells: changed.cells, rows };
  if (rows.missing > 0) {
    const cells = pairing.missing.slice(0, maxCells).map((row) => wholeRow(row, a[row], undefined));
    return { class: 'missing-row', columns: [], cells, rows };
  }
  if (rows.extra > 0) {
    const cells = pairing.extra.slice(0, maxCells).map((row) => wholeRow(row, undefined, b[row]));
    return { class: 'extra-row', columns: [], cells, rows };
  }
  return {
    class: changed.types ? 'type' : 'value',
    columns: changed.columns,
    cells: changed.cells,
    rows,
  };
}

function wholeRow(row: number, legacy: Row | undefined, pooled: Row | undefined): CellDifference {
  return { row, column: undefined, legacy, pooled };
}

interface ChangedCells {
  readonly rows: number;
  readonly columns: readonly string[];
  /** Names that only one of two paired rows has. */
  readonly foreign: readonly string[];
  readonly types: boolean;
  readonly cells: readonly CellDifference[];
}

function changedCells(
  a: readonly Row[],
  b: readonly Row[],
  { changed }: RowPairing,
  columns: readonly string[],
  rules: ColumnRules,
): ChangedCells {
  const differing = new Set<string>();
  const foreign = new Set<string>();
  let types: readonly CellDifference[] = [];
  let values: readonly CellDifference[] = [];
  let rows = 0;
  for (const [at, [row, other]] of changed.entries()) {
    if (at >= maxChangedRows) {
      rows += 1;
      continue;
    }
    const [x, y] = [a[row] ?? {}, b[other] ?? {}];
    for (const name of unshared(Object.keys(x), Object.keys(y)))
      if (!rules.ignores(name)) foreign.add(name);
    const cells = columns
      .filter((column) => !rules.same(column, x[column], y[column]))
      .map((column): CellDifference => ({ row, column, legacy: x[column], pooled: y[column] }));
    for (const { column } of cells) differing.add(column ?? '');
    rows += cells.length > 0 || foreign.size > 0 ? 1 : 0;
    const [otherType, sameType] = split(cells, (cell) => typesDiffer(cell.legacy, cell.pooled));
    if (types.length < maxCells) types = [...types, ...otherType];
    if (values.length < maxCells) values = [...values, ...sameType];
  }
  return {
    rows,
    foreign: [...foreign],
    types: types.length > 0,
    columns: columns.filter((column) => differing.has(column)),
    cells: [...types, ...values].slice(0, maxCells),
  };
}

/** The first row that is not where the other leg has it. */
function orderDifference(
  a: readonly Row[],
  b: readonly Row[],
  pairing: RowPairing,
): Difference | undefined {
  const row = pairing.firstMoved;
  if (row === undefined) return undefined;
  return { class: 'order', columns: [], cells: [wholeRow(row, a[row], b[row])], rows: noRows };
}

/** What is no list of rows: the places inside it that differ. Rules hold for a place by its path, as for a column by its name. */
function valueDifference(
  legacy: unknown,
  pooled: unknown,
  rules: ColumnRules,
): Difference | undefined {
  if (sameValue(legacy, pooled)) return undefined;
  const cells: CellDifference[] = [];
  const seen: { otherNames: boolean } = { otherNames: false };
  const visit = (a: unknown, b: unknown, path: string, depth: number): void => {
    if (cells.length >= maxCells || sameValue(a, b)) return;
    if (rules.ignores(path) || rules.same(path, a, b)) return;
    const inner = depth < maxPathDepth ? innerPlaces(a, b) : undefined;
    if (inner === undefined || inner.length === 0) {
      cells.push({ row: 0, column: path === '' ? undefined : path, legacy: a, pooled: b });
      return;
    }
    for (const place of inner) {
      const name = pathTo(path, place.name);
      seen.otherNames ||= place.onlyOne && !rules.ignores(name);
      visit(place.legacy, place.pooled, name, depth + 1);
    }
  };
  visit(legacy, pooled, '', 0);
  // What differs below the deepest level that is walked has a cell of its own: none is left where the rules let all pass.
  if (cells.length === 0 && !seen.otherNames) return undefined;
  const types = cells.some((cell) => typesDiffer(cell.legacy, cell.pooled));
  const columns = [...new Set(cells.flatMap(({ column }) => column ?? []))];
  const kind = seen.otherNames ? 'columns' : types ? 'type' : 'value';
  return { class: kind, columns, cells, rows: { ...noRows, changed: 1 } };
}

function pathTo(path: string, name: string): string {
  return path === '' || name.startsWith('[') ? path + name : `${path}.${name}`;
}

interface InnerPlace {
  readonly name: string;
  readonly legacy: unknown;
  readonly pooled: unknown;
  /** A field that the other side doesn't have. */
  readonly onlyOne: boolean;
}

/** The parts of two lists of one length or of two structs; undefined where there are none to compare one by one. */
function innerPlaces(a: unknown, b: unknown): InnerPlace[] | undefined {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return undefined;
    const place = (legacy: unknown, at: number): InnerPlace => ({
      name: `[${String(at)}]`,
      legacy,
      pooled: b[at] as unknown,
      onlyOne: false,
    });
    return a.map(place);
  }
  if (!isStruct(a) || !isStruct(b)) return undefined;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].map((name) => ({
    name,
    legacy: a[name],
    pooled: b[name],
    onlyOne: Object.hasOwn(a, name) !== Object.hasOwn(b, name),
  }));
}

function isStruct(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && isPlain(value);
}

/** The names that only one of the two lists has. */
function unshared(a: readonly string[], b: readonly string[]): string[] {
  const [first, second] = [new Set(a), new Set(b)];
  return [...a.filter((name) => !second.has(name)), ...b.filter((name) => !first.has(name))];
}

function split<Item>(
  items: readonly Item[],
  test: (item: Item) => boolean,
): [yes: Item[], no: Item[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
