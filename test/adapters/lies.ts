import type Database from 'better-sqlite3';
import type { Knex } from 'knex';
import type { DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely';
import pg from 'pg';
import type { Rows } from '../integration/planted-faults.ts';

/** What a leg answers in place of rows, where it is to lie. */
export class Lie {
  readonly #about: RegExp;
  spoil: ((rows: Rows) => Rows | undefined) | undefined;
  /** The rows as they were the last time. */
  honest: Rows | undefined;

  /** @param about the texts of statements that it lies about. */
  constructor(about: RegExp) {
    this.#about = about;
  }

  /** @throws where the lie is to fail. */
  tell(sql: string, rows: unknown): unknown {
    if (!this.#about.test(sql) || !Array.isArray(rows)) return rows;
    this.honest = rows as Rows;
    return this.spoil?.(rows as Rows) ?? rows;
  }
}

/** As what the faults of rows are found, each in one of the kinds that are planted; undefined for what is no difference. */
export const everyClass: readonly (string | undefined)[] = [
  'columns',
  'error',
  'extra-row',
  'missing-row',
  'order',
  'type',
  'value',
  undefined,
];

type Method = (...args: readonly unknown[]) => unknown;

/** A class of clients. */
export function lyingPgClient(lie: Lie): typeof pg.Client {
  class Lying extends pg.Client {}
  const query = Reflect.get(pg.Client.prototype, 'query') as Method;
  Object.assign(Lying.prototype, {
    async query(this: pg.Client, ...args: readonly unknown[]) {
      const result = (await Reflect.apply(query, this, args)) as pg.QueryResult;
      const [config] = args as [string | { readonly text: string }];
      return toldResult(lie, typeof config === 'string' ? config : config.text, result);
    },
  });
  return Lying;
}

/** The server tells the columns apart from the rows. */
function toldResult(lie: Lie, sql: string, result: pg.QueryResult): pg.QueryResult {
  const rows = lie.tell(sql, result.rows) as Record<string, unknown>[];
  if (rows === result.rows) return result;
  const [field] = result.fields;
  const names = Object.keys(rows[0] ?? {});
  const fields = names.map((name) => ({ ...field, name }) as pg.FieldDef);
  return {
    ...result,
    rows,
    rowCount: rows.length,
    fields: rows.length > 0 ? fields : result.fields,
  };
}

/** A handle whose statements lie where all rows are asked for. */
export function lyingDatabase(database: Database.Database, lie: Lie): Database.Database {
  const prepare = database.prepare.bind(database) as (sql: string) => Database.Statement;
  Object.assign(database, {
    prepare: (sql: string) => {
      const statement = prepare(sql);
      const all = statement.all.bind(statement);
      return Object.assign(statement, {
        all: (...params: readonly unknown[]) => lie.tell(sql, all(...params)),
      });
    },
  });
  return database;
}

/** A dialect whose connections lie. */
export function lyingDialect(dialect: Dialect, lie: Lie): Dialect {
  const seen = new WeakSet<DatabaseConnection>();
  const lying = (connection: DatabaseConnection): DatabaseConnection => {
    if (seen.has(connection)) return connection;
    seen.add(connection);
    const execute = connection.executeQuery.bind(connection);
    connection.executeQuery = async <R>(...args: Parameters<typeof execute>) => {
      const result = await execute(...args);
      return { ...result, rows: lie.tell(args[0].sql, result.rows) } as QueryResult<R>;
    };
    return connection;
  };
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: (): Driver => {
      const driver = dialect.createDriver();
      const acquire = driver.acquireConnection.bind(driver);
      driver.acquireConnection = async (options) => lying(await acquire(options));
      return driver;
    },
  };
}

interface KnexQuery {
  readonly sql: string;
  response?: unknown;
}

/** An instance whose client lies. */
export function lyingKnex(instance: Knex, lie: Lie): Knex {
  const client = instance.client as {
    _query(connection: unknown, query: KnexQuery): Promise<KnexQuery>;
  };
  const ask = client._query.bind(client);
  client._query = async (connection, query) => {
    const answered = await ask(connection, query);
    const { response, sql } = answered;
    answered.response = Array.isArray(response)
      ? lie.tell(sql, response)
      : toldResult(lie, sql, response as pg.QueryResult);
    return answered;
  };
  return instance;
}
