import { NotComparableError } from '@changeover/core';

interface Field {
  readonly name: string;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * What the driver's result is compared as: its rows, by column, with values that hide nothing.
 *
 * @throws {NotComparableError} for a value of a class that shows itself neither as text nor as JSON.
 */
export function comparable(result: unknown): unknown {
  const { rows, fields, rowCount } = result as {
    readonly rows?: unknown;
    readonly fields?: readonly Field[];
    readonly rowCount?: unknown;
  };
  if (!Array.isArray(rows) || !Array.isArray(fields)) return { rowCount };
  const list = rows as readonly unknown[];
  const names = (fields as readonly Field[]).map(({ name }) => name);
  if (Array.isArray(list[0])) {
    // Lists of values may be of columns with one name.
    const columns = names.map((name, at) => `${at} ${name}`);
    return {
      columns,
      rows: list.map((row) =>
        Object.fromEntries(
          (row as unknown[]).map((value, at) => [columns[at] ?? at, plain(value)]),
        ),
      ),
    };
  }
  return { columns: [...new Set(names)], rows: list.map((row) => plainRow(row as Row)) };
}

/** The row itself where it holds nothing that has to be shown in another way. */
function plainRow(row: Row): Row {
  let changed: Record<string, unknown> | undefined;
  for (const name in row) {
    const value = row[name];
    if (typeof value !== 'object' || value === null) continue;
    const shown = plain(value);
    if (shown !== value) (changed ??= { ...row })[name] = shown;
  }
  return changed ?? row;
}

function plain(value: unknown): unknown {
  if (typeof value === 'function')
    throw new NotComparableError('a row holds a function, which can not be compared');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.some(isObject) ? value.map(plain) : value;
  if (value instanceof Date || ArrayBuffer.isView(value)) return value;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return value;
  const { toPostgres, toJSON } = value as {
    readonly toPostgres?: unknown;
    readonly toJSON?: unknown;
  };
  const show = typeof toPostgres === 'function' ? toPostgres : toJSON;
  if (typeof show === 'function') return { shown: Reflect.apply(show, value, []) as unknown };
  throw new NotComparableError(
    `a row holds an instance of ${value.constructor.name}, which can differ in what can't be seen: give its type parser's ` +
      'class a method toJSON',
  );
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
