import {
  asTable,
  type ColumnRules,
  digestResult,
  findDifference,
  noColumnRules,
  roundedNumbers,
  typeName,
} from '@changeover/compare';
import type { Digest, OpenParts, Row, Value } from '@changeover/core';

interface Columns {
  readonly names: readonly string[];
  readonly rows: readonly Row[];
}

/** What is determined of a result, as a result of its own: equal on both legs if they agree in it, but for {@link differsInRest}. */
export function determinedPart(result: unknown, open: OpenParts): unknown {
  const table = columnsOf(result);
  if (table === undefined) return result;
  const { names } = table;
  if (open.rows === 'any') return { columns: names, rows: [] };
  if (open.rows === 'some') return { columns: names, rows: table.rows.map(() => nothingOf(names)) };
  const masked = new Set([...namesAt(open.columns, names), ...roundedNames(open, names)]);
  return { columns: names, rows: table.rows.map((row) => maskedRow(row, names, masked)) };
}

/** The digest of what is determined. */
export function digestDetermined(result: unknown, open: OpenParts): Digest {
  return digestResult(determinedPart(result, open), 'rows');
}

/** Whether two results that agree in what is exactly determined, and in digits, differ in their order all the same. */
export function differInOrder(
  { legacy, pooled }: { readonly legacy: unknown; readonly pooled: unknown },
  open: OpenParts,
): boolean {
  return !sameOrder(legacy, pooled, open);
}

/** Whether two results that agree in what is exactly determined differ by more than the last digits of a rounded column. */
export function differInDigits(
  legacy: unknown,
  pooled: unknown,
  ordered: boolean,
  open: OpenParts,
): boolean {
  const [a, b] = [columnsOf(legacy), columnsOf(pooled)];
  if (a === undefined || b === undefined || open.rows === 'any' || open.rows === 'some')
    return false;
  const rounded = new Set(roundedNames(open, a.names));
  if (rounded.size === 0) return false;
  const hidden = new Set(namesAt(open.columns, a.names));
  const rules: ColumnRules = {
    ignores: (column) => hidden.has(column),
    loosens: (column) => rounded.has(column),
    same: (column, left, right) =>
      (rounded.has(column) ? roundedNumbers : noColumnRules).same(column, left, right),
  };
  return findDifference(legacy, pooled, ordered, rules) !== undefined;
}

/** Whether the columns by which the rows are ordered say the same, row by row. */
function sameOrder(legacy: unknown, pooled: unknown, open: OpenParts): boolean {
  const [a, b] = [columnsOf(legacy), columnsOf(pooled)];
  if (a === undefined || b === undefined || open.sortedBy.length === 0) return true;
  const masked = new Set([...namesAt(open.columns, a.names), ...roundedNames(open, a.names)]);
  const keys: string[] = [];
  for (const place of open.sortedBy) {
    const found =
      typeof place === 'number'
        ? a.names.slice(place, place + 1)
        : a.names.filter((name) => name.toLowerCase() === place.toLowerCase());
    const [name, ...others] = found;
    // Behind a column that nobody knows, the order of the next ones is not known either.
    if (name === undefined || others.length > 0 || masked.has(name)) break;
    keys.push(name);
  }
  return a.rows.every((row, at) =>
    keys.every((name) => sameKey(row[name] ?? null, b.rows[at]?.[name] ?? null)),
  );
}

/** Texts may be equal in an order that tells them apart no further than a collation does, and decimals are texts. */
function sameKey(a: Value, b: Value): boolean {
  const folded = (value: Value): Value => {
    if (typeof value !== 'string') return value;
    const number = value.trim() === '' ? Number.NaN : Number(value);
    return Number.isNaN(number) ? value.trimEnd().toLowerCase() : number;
  };
  return digestResult([folded(a)], 'value').ordered === digestResult([folded(b)], 'value').ordered;
}

/** Whether each row is one of all rows, none taken more often than it is there; columns that nobody determined are not looked at. */
export function isAmong(some: unknown, all: unknown, open: OpenParts): boolean {
  const [part, whole] = [columnsOf(some), columnsOf(all)];
  if (part === undefined || whole === undefined) return false;
  const left = new Map<string, number>();
  // By place: a column of the whole may have got another name by being asked for from outside.
  const keysOf = ({ names, rows }: Columns): string[] => {
    const masked = new Set([...namesAt(open.columns, names), ...roundedNames(open, names)]);
    return rows.map((row) => {
      const values = names.map((name) => (masked.has(name) ? null : row[name])) as Value[];
      return digestResult([values], 'value').ordered;
    });
  };
  for (const key of keysOf(whole)) left.set(key, (left.get(key) ?? 0) + 1);
  return keysOf(part).every((key) => {
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count > 0;
  });
}

function columnsOf(result: unknown): Columns | undefined {
  const table = asTable(result);
  if (table === undefined) return undefined;
  return { names: table.columns ?? Object.keys(table.rows[0] ?? {}), rows: table.rows };
}

function namesAt(indexes: readonly number[], names: readonly string[]): string[] {
  return indexes.flatMap((index) => names.at(index) ?? []);
}

/** Exactly determined are none of their numbers, but that they are numbers is. */
function roundedNames({ rounded }: OpenParts, names: readonly string[]): readonly string[] {
  return rounded === 'all' ? names : namesAt(rounded, names);
}

/** A large integer is a number as well: which of the two it is depends on its value. */
function kindOf(value: Value | undefined): string {
  const name = typeName(value);
  return name === 'bigint' ? 'number' : name;
}

function maskedRow(row: Row, names: readonly string[], masked: ReadonlySet<string>): Row {
  return Object.fromEntries(
    names.map((name) => [name, masked.has(name) ? kindOf(row[name]) : (row[name] ?? null)]),
  );
}

function nothingOf(names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, null]));
}
