import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

/**
 * What the two legs have in common. A fault in one of these is a fault of both and compares as `match`, so whatever runs a
 * statement, reads its rows or counts what it changed is not among them.
 */
const shared = [
  // The operations: their SQL, and the steps that a connection performs by itself.
  'CallerStatementStep',
  'DatasetPrograms',
  'InsertStep',
  'Program',
  'Step',
  'StepResult',
  'TransactionStep',
  'datasetPrograms',
  'emptyStepResult',
  'leadingWords',
  'quoteIdentifier',
  'readInSnapshot',
  'runProgram',
  'runProgramAsync',
  // Where datasets are, and the one instance that a process may have of a DuckDB file.
  'DatasetStore',
  'DuckdbLease',
  'duckdbCatalog',
  'fileStore',
  'leaseDuckdbInstance',
  'schemaStore',
  // The drivers, loaded by whoever is first.
  'duckdbDriver',
  'postgresDriver',
  'sqliteDriver',
  // What callers may say, and the words of errors.
  'checkDuckdbExecute',
  'checkDuckdbQuery',
  'checkDuckdbText',
  'duckdbExplained',
  'isDuckdbPivot',
  'checkPostgresExecute',
  'checkPostgresQuery',
  'givesRowsAndActs',
  'checkSqliteExecute',
  'checkSqliteQuery',
  'checkSqliteQueryText',
  'classifyError',
  'toStorageError',
  // How a transaction is serializable, and when it is run again.
  'inAttempts',
  'parseTransactionOptions',
  'serializableSql',
  // What a PostgreSQL connection stands on, what to do where a pooler drops it, and how a statement is given up.
  'CancelTarget',
  'PooledTraces',
  'PostgresSettings',
  'bareUrl',
  'beginText',
  'checkDeferred',
  'checkPooledStatement',
  'decideKeptBy',
  'isRecoveryRefusal',
  'noteRefusal',
  'pooledStatementError',
  'readConnectionFacts',
  'refusesStartup',
  'requestCancel',
  'setForSession',
  'shownUrl',
  'splitUrl',
  'standbyError',
  'connectionFactsQuery',
  'requiredSettings',
  'startupOptions',
  // The policy of what is stored for a value.
  'ColumnKind',
  'columnKinds',
  'inputCells',
  'isDate',
  'jsonText',
  'timestampText',
];

test('the legacy leg shares words, SQL and policy with the tuned sessions, and nothing that runs or reads', () => {
  const used = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
    .flatMap((source) => [
      ...source.matchAll(/import (?:type )?\{([^}]*)\} from '@changeover\/engines'/g),
    ])
    .flatMap(([, names = '']) => names.split(','))
    .map((name) => name.replace('type ', '').trim())
    .filter((name) => name !== '');
  expect([...new Set(used)].sort()).toEqual([...shared].sort());
});
