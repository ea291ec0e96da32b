import { WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { createPostgresClassifier } from '@changeover/classify/postgresql';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  PGliteAdapter,
  PostgresAdapter,
  SqliteAdapter,
} from 'kysely';

/** Where the classifier asks for what it must know of the database. */
interface Connections {
  withConnection<T>(work: (connection: DatabaseConnection) => Promise<T>): Promise<T>;
}

/**
 * The classifier for a dialect's engine, which is told by its adapter.
 *
 * @throws {WiringError} for an engine that there is no classifier for.
 */
export function classifierFor(
  options: { readonly legacy: Dialect; readonly classifier: StatementClassifier | undefined },
  connections: Connections,
): StatementClassifier {
  if (options.classifier !== undefined) return options.classifier;
  const ask = async (
    sql: string,
    parameters: readonly unknown[] = [],
  ): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const { rows } = await connections.withConnection((connection) =>
      connection.executeQuery<Record<string, unknown>>(CompiledQuery.raw(sql, [...parameters])),
    );
    return rows;
  };
  const adapter = options.legacy.createAdapter();
  if (adapter instanceof PostgresAdapter || adapter instanceof PGliteAdapter)
    return createPostgresClassifier({ query: ask });
  if (adapter instanceof SqliteAdapter)
    return createSqliteClassifier({
      readSchema: async () => (await ask(schemaSql)).map(({ sql }) => String(sql)),
    });
  throw new WiringError(
    `There is no classifier for the dialect with ${adapter.constructor.name}: what its statements do can't be told. ` +
      'Give one as the option classifier.',
  );
}

const schemaSql = 'select sql from sqlite_schema where sql is not null order by rowid';
