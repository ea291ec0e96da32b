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
import type { Steps } from '../steps.ts';

/** Keyed in about 50 µs. */
const rowsPerStep = 25;

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
  const masked = new Set(namesAt(open.columns, a.names));
  const rounded = new Set(roundedNames(open, a.names));
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
    // Numbers that differ in their last digits alone may be in either order, and so may what comes next.
    if (rounded.has(name)) break;
  }
  const same = (name: string, left: Value, right: Value): boolean =>
    rounded.has(name) ? roundedNumbers.same(name, left, right) : sameKey(left, right);
  return a.rows.every((row, at) =>
    keys.every((name) => same(name, row[name] ?? null, b.rows[at]?.[name] ?? null)),
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

/** Whether more than `sortedBy` may be told of the order of an answer's rows. */
export function mayBePlaced({ placed, rows }: OpenParts): boolean {
  return placed !== undefined && (rows === 'determined' || rows === 'some');
}

/**
 * Whether rows are in places where only others may be: of two results that agree but for their order, by a third one of the legacy leg's
 * (see {@link OpenParts.placed}). Undefined where that is of other data, or can't tell.
 */
export function* isOutOfPlace(
  { legacy, pooled }: { readonly legacy: unknown; readonly pooled: unknown },
  placed: unknown,
  open: OpenParts,
): Steps<boolean | undefined> {
  const [a, b, all] = [columnsOf(legacy), columnsOf(pooled), columnsOf(placed)];
  const place = all?.names.at(-1);
  if (a === undefined || b === undefined || all === undefined || place === undefined)
    return undefined;
  const shown = { names: all.names.slice(0, -1), rows: all.rows };
  const isOfThese = [a, b].every(
    ({ names, rows }) => names.length === shown.names.length && rows.length === shown.rows.length,
  );
  const groups = groupsOf(all.rows.map((row) => row[place]));
  if (!isOfThese || groups === undefined) return undefined;
  // Of those at a limit's edges, others may have been taken.
  const whole = open.rows === 'some' ? groups.slice(1, -1) : groups;
  const wanted = yield* rowKeys(shown, open);
  const keys = yield* rowKeys(a, open);
  if (!(yield* sameInGroups(keys, wanted, whole))) return undefined;
  return !(yield* sameInGroups(yield* rowKeys(b, open), wanted, whole));
}

type Group = readonly [number, number];

function* sameInGroups(
  a: readonly string[],
  b: readonly string[],
  groups: readonly Group[],
): Steps<boolean> {
  for (const [from, to] of groups) {
    if (!sameMembers(a.slice(from, to), b.slice(from, to))) return false;
    yield 1;
  }
  return true;
}

/** Where each run of equal values begins and ends; undefined where a value comes back. */
function groupsOf(places: readonly (Value | undefined)[]): readonly Group[] | undefined {
  const starts = places.flatMap((place, at) => (at === 0 || place !== places[at - 1] ? [at] : []));
  if (new Set(places).size !== starts.length) return undefined;
  return starts.map((from, at) => [from, starts[at + 1] ?? places.length] as const);
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  const sorted = b.toSorted();
  return a.toSorted().every((key, at) => key === sorted[at]);
}

/** Whether each row is one of all rows, none taken more often than it is there; columns that nobody determined are not looked at. */
export function* isAmong(some: unknown, all: unknown, open: OpenParts): Steps<boolean> {
  const [part, whole] = [columnsOf(some), columnsOf(all)];
  if (part === undefined || whole === undefined) return false;
  const left = new Map<string, number>();
  for (const key of yield* rowKeys(whole, open)) left.set(key, (left.get(key) ?? 0) + 1);
  const keys = yield* rowKeys(part, open);
  return keys.every((key) => {
    const count = left.get(key) ?? 0;
    left.set(key, count - 1);
    return count > 0;
  });
}

/** What is determined of each row, by place: a column may have got another name by being asked for from outside. */
function* rowKeys({ names, rows }: Columns, open: OpenParts): Steps<string[]> {
  const masked = new Set([...namesAt(open.columns, names), ...roundedNames(open, names)]);
  const keys: string[] = [];
  for (const row of rows) {
    const values = names.map((name) => (masked.has(name) ? null : row[name])) as Value[];
    keys.push(digestResult([values], 'value').ordered);
    if (keys.length % rowsPerStep === 0) yield 1;
  }
  return keys;
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
