import type { Cause } from '../statement.ts';
import type { Expression, Relation } from './query.ts';

/** What is known of a column's values. */
export interface Value {
  /** Why they may differ from run to run. */
  readonly causes: ReadonlySet<Cause>;
  /** Whether they may be floating-point numbers. */
  readonly float: boolean;
}

/** A column; `open`: it stands for any number of columns whose names are not known. */
export interface Column extends Value {
  readonly name: string | undefined;
  readonly open: boolean;
  readonly whole?: NonNullable<Relation['columns']>[number]['whole'] | undefined;
}

/** What is known of a set of rows. */
export interface Rows {
  readonly columns: readonly Column[];
  /** Why other rows may be there from run to run. */
  readonly causes: ReadonlySet<Cause>;
  /** Sets of columns that tell any two rows apart. */
  readonly keys: readonly (readonly string[])[];
  /** There is at most one. */
  readonly single: boolean;
}

/** What stands in FROM, by its alias. */
export interface Entry {
  readonly alias: string;
  readonly rows: Rows;
}

/** `left` equals `right`, which is undefined where it is one and the same value for all rows. */
export interface Equality {
  readonly left: string;
  readonly right: string | undefined;
  /** The entries that it may determine: those that an outer join adds to the rows of others. Undefined: any. */
  readonly only: ReadonlySet<number> | undefined;
}

/** Where names are looked up. */
export interface Scope {
  readonly entries: readonly Entry[];
  readonly equalities: readonly Equality[];
  /** Output columns, which ORDER BY and, in some engines, other clauses may name. */
  readonly aliases: ReadonlyMap<string, { readonly value: Value; readonly expression: Expression }>;
  /** Some columns are one with another's (USING), so that a star's width is not known. */
  readonly merged: boolean;
  readonly parent: Scope | undefined;
}

export const nothing: ReadonlySet<Cause> = new Set();
const certain: Value = { causes: nothing, float: false };

/** The union, without a copy where one side is empty. */
export function union(a: ReadonlySet<Cause>, b: ReadonlySet<Cause>): ReadonlySet<Cause> {
  if (b.size === 0 || a === b) return a;
  return a.size === 0 ? b : new Set([...a, ...b]);
}

/** Both together. */
export function merge(values: readonly Value[]): Value {
  return values.reduce<Value>(
    (all, { causes, float }) => ({
      causes: union(all.causes, causes),
      float: all.float || float,
    }),
    certain,
  );
}

function columnsNamed(rows: Rows, name: string): Column[] {
  const named = rows.columns.filter((column) => column.name === name);
  return named.length > 0 ? named : rows.columns.filter(({ open }) => open);
}

function wholeRow(rows: Rows): Value {
  return merge(rows.columns);
}

function lookUp(path: readonly string[], scope: Scope): Value | undefined {
  const [name, qualifier] = [path.at(-1) ?? '', path.at(-2)];
  if (qualifier !== undefined) {
    const entries = scope.entries.filter(({ alias }) => alias === qualifier);
    const found = entries.flatMap(({ rows }) => columnsNamed(rows, name));
    if (found.length > 0) return merge(found);
    // A field of a column, or a function written as one: as certain as what it is taken from.
    return lookUp(path.slice(0, -1), scope);
  }
  const found = scope.entries.flatMap(({ rows }) => columnsNamed(rows, name));
  if (found.length > 0) return merge(found);
  const alias = scope.aliases.get(name);
  if (alias !== undefined) return alias.value;
  const entry = scope.entries.find((each) => each.alias === name);
  if (entry !== undefined) return wholeRow(entry.rows);
  return scope.parent === undefined ? undefined : lookUp(path, scope.parent);
}

/** A column's value; of a name that can't be found, as uncertain as everything in sight. */
export function resolve(path: readonly string[], scope: Scope): Value {
  const found = lookUp(path, scope);
  if (found !== undefined) return found;
  return { causes: merge(scope.entries.map(({ rows }) => wholeRow(rows))).causes, float: true };
}

/** Which one of FROM's columns an expression is, as `entry.column`; undefined if it is none, or could be several. */
export function identify(expression: Expression, scope: Scope): string | undefined {
  if (expression.type !== 'column') return undefined;
  const [name, qualifier] = [expression.path.at(-1) ?? '', expression.path.at(-2)];
  const found = scope.entries.flatMap(({ alias, rows }, index) =>
    (qualifier === undefined || alias === qualifier) &&
    rows.columns.some((column) => column.name === name)
      ? [`${index}.${name}`]
      : [],
  );
  return found.length === 1 ? found[0] : undefined;
}

/** Which one of FROM's columns an expression's value tells, as `entry.column`: the column itself, or a whole number that was shifted. */
export function identifyTold(expression: Expression, scope: Scope): string | undefined {
  const column = identify(expression, scope);
  if (column !== undefined) return column;
  const isOperation = expression.type === 'other' || expression.type === 'call';
  if (!isOperation || expression.tells === undefined) return undefined;
  const told = identifyTold(expression.tells, scope);
  return told !== undefined && isWhole(told, scope) ? told : undefined;
}

function isWhole(id: string, { entries }: Scope): boolean {
  const dot = id.indexOf('.');
  const named = entries[Number(id.slice(0, dot))]?.rows.columns.filter(
    ({ name }) => name === id.slice(dot + 1),
  );
  return named?.every(({ whole }) => whole === true) ?? false;
}

/**
 * Which entries have one row at most for each combination of the given columns' values: those with a key among them, and those
 * whose key is equal to columns of such entries or to constants.
 */
export function determinedEntries(ids: ReadonlySet<string>, scope: Scope): ReadonlySet<number> {
  const determined = new Set<number>();
  const known = (id: string): boolean => ids.has(id) || determined.has(Number(id.split('.', 1)[0]));
  const isKnown = (index: number, column: string): boolean => {
    const id = `${index}.${column}`;
    return (
      ids.has(id) ||
      scope.equalities.some(
        ({ left, right, only }) =>
          left === id &&
          (only === undefined || only.has(index)) &&
          (right === undefined || known(right)),
      )
    );
  };
  for (let before = -1; before !== determined.size;) {
    before = determined.size;
    for (const [index, { rows }] of scope.entries.entries())
      if (
        rows.single ||
        rows.keys.some((key) => key.length > 0 && key.every((column) => isKnown(index, column)))
      )
        determined.add(index);
  }
  return determined;
}
