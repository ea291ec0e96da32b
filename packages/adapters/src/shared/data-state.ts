/** A row of one token that differs once anybody has committed on the server: the transactions that a read would see. */
export const postgresStateSql: string =
  'select pg_catalog.pg_current_snapshot()::pg_catalog.text as state';

/** A row of one token that differs once anybody has committed to the file, on the same connection: others by the version of the data,
 * and the connection itself by what it changed. */
export const sqliteStateSql: string =
  "select (select data_version from pragma_data_version) || ':' || (select schema_version from pragma_schema_version) || ':' || " +
  'total_changes() as state';

const numbers = new WeakMap<object, number>();
let last = 0;

/** A token of a connection for what it alone says of itself. */
export function numberOf(connection: object): number {
  let number = numbers.get(connection);
  if (number === undefined) {
    last += 1;
    number = last;
    numbers.set(connection, number);
  }
  return number;
}

/** The token in such a row. */
export function stateIn([row]: readonly unknown[]): string | undefined {
  const { state } = (row ?? {}) as { readonly state?: unknown };
  return typeof state === 'string' ? state : undefined;
}
