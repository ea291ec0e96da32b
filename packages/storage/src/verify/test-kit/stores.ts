import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { datasetFile, type Engine, type InputValue, type StoreLocation } from '@changeover/engines';
import {
  connectPostgres,
  fileStore,
  inTransaction,
  openDuckdbSession,
  openSqliteSession,
  type Program,
  schemaStore,
} from '@changeover/engines';

/** A folder with datasets of its own, and schemas in the tests' server, removed at the end. */
export class TestStores {
  readonly folder: string;
  readonly url: string;
  readonly #schemas = new Set<string>();

  constructor(folder: string, url: string) {
    this.folder = folder;
    this.url = url;
  }

  /** The store in one folder of several. */
  at(name: string): StoreLocation {
    return { basePath: join(this.folder, name), databaseUrl: this.url };
  }

  /** Runs statements on a dataset, which is made where it isn't there. */
  async run(
    engine: Engine,
    location: StoreLocation,
    dataset: string,
    statements: readonly (string | readonly [string, readonly InputValue[]])[],
  ): Promise<void> {
    if (engine === 'postgresql') this.#schemas.add(dataset);
    const program = (): Program<void> => inTransaction(runAll(statements));
    if (engine === 'postgresql') {
      const server = await connectPostgres({ url: this.url });
      const store = schemaStore((work) => server.run(work));
      if (!(await store.exists(dataset))) await store.create(dataset);
      await server.close();
      const session = await connectPostgres({ url: this.url, dataset });
      await session.run(program());
      await session.close();
      return;
    }
    const store = fileStore(engine, location);
    if (!(await store.exists(dataset))) await store.create(dataset);
    const file = datasetFile(location, engine, dataset);
    if (engine === 'duckdb') {
      const session = await openDuckdbSession({ file, threads: 1 });
      await session.run(program());
      await session.close();
    } else {
      const session = openSqliteSession({ file });
      session.run(program());
      session.close();
    }
  }

  async close(): Promise<void> {
    if (this.#schemas.size > 0) {
      const server = await connectPostgres({ url: this.url });
      for (const dataset of this.#schemas)
        await schemaStore((work) => server.run(work)).drop(dataset);
      await server.close();
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function makeTestStores(): Promise<TestStores> {
  const folder = await mkdtemp(join(tmpdir(), 'changeover-verify-'));
  return new TestStores(folder, process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '');
}

function* runAll(
  statements: readonly (string | readonly [string, readonly InputValue[]])[],
): Program<void> {
  for (const statement of statements) {
    const [sql, params] = typeof statement === 'string' ? [statement, []] : statement;
    yield { kind: 'run', sql, params };
  }
}

/** Statements that make a table of so many rows: an id, a text, a double, a whole number that is NULL at times. */
export function numberedTable(engine: Engine, table: string, rows: number): readonly string[] {
  switch (engine) {
    case 'sqlite':
      return [
        `CREATE TABLE ${table} (id INTEGER, name TEXT, weight REAL, part INTEGER)`,
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) ` +
          `INSERT INTO ${table} SELECT i, 'name ' || i, i / 7.0, CASE WHEN i % 5 > 0 THEN i % 11 END FROM n`,
      ];
    case 'duckdb':
      return [
        `CREATE TABLE ${table} (id BIGINT, name VARCHAR, weight DOUBLE, part BIGINT)`,
        `INSERT INTO ${table} SELECT i, 'name ' || i, i / 7.0::DOUBLE, CASE WHEN i % 5 > 0 THEN i % 11 END FROM range(1, ${rows + 1}) t(i)`,
      ];
    case 'postgresql':
      return [
        `CREATE TABLE ${table} (id bigint, name text, weight double precision, part bigint)`,
        `INSERT INTO ${table} SELECT i, 'name ' || i, i / 7.0::double precision, CASE WHEN i % 5 > 0 THEN i % 11 END ` +
          `FROM generate_series(1, ${rows}) i`,
      ];
  }
}
