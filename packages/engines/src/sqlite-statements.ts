import { InvalidArgumentError, ReadOnlyError } from './api/storage-errors.ts';
import { leadingWords } from './sql-text.ts';

/** Statements that would change what the connection is, under the feet of whoever uses it next. */
const connectionWords: ReadonlySet<string> = new Set([
  'BEGIN',
  'COMMIT',
  'END',
  'ROLLBACK',
  'SAVEPOINT',
  'RELEASE',
  'ATTACH',
  'DETACH',
]);

/** Pragmas that show something of what is named after them. */
const pragmasOfNames = [
  'table_info',
  'table_xinfo',
  'table_list',
  'index_list',
  'index_info',
  'index_xinfo',
  'foreign_key_list',
  'foreign_key_check',
  'integrity_check',
  'quick_check',
];

/** Pragmas that show something where no value follows. */
const pragmasOfValues = [
  'database_list',
  'collation_list',
  'function_list',
  'module_list',
  'pragma_list',
  'compile_options',
  'user_version',
  'application_id',
  'schema_version',
  'encoding',
  'page_count',
  'page_size',
  'freelist_count',
  'data_version',
  'journal_mode',
  'foreign_keys',
  'auto_vacuum',
  'cache_size',
  'synchronous',
  'max_page_count',
];

const showingPragma = new RegExp(
  String.raw`^\s*PRAGMA\s+(?:\w+\s*\.\s*)?(?:` +
    String.raw`(?:${pragmasOfNames.join('|')})\s*(?:\([^)]*\))?|(?:${pragmasOfValues.join('|')}))\s*;?\s*$`,
  'i',
);

/** Pragmas that change the file, not the connection. */
const lastingPragma = new RegExp(
  [
    String.raw`^\s*PRAGMA\s+(?:main\s*\.\s*)?(?:(?:user_version|application_id)\s*=\s*-?\w+`,
    'optimize',
    String.raw`incremental_vacuum(?:\s*\(\d*\))?`,
    String.raw`wal_checkpoint(?:\s*\(\w+\))?)\s*;?\s*$`,
  ].join('|'),
  'i',
);

/**
 * Whether `query` takes a statement.
 *
 * @param statement what the engine says of it.
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkSqliteQuery(
  statement: { readonly readonly: boolean; readonly reader: boolean },
  sql: string,
): void {
  if (!statement.readonly || !statement.reader) {
    throw new ReadOnlyError(
      'query takes one statement that only reads and returns rows. Use execute to write.',
      { engine: 'sqlite' },
    );
  }
  if (leadingWords(sql, 1)[0] === 'PRAGMA' && !showingPragma.test(sql)) {
    throw new ReadOnlyError('query takes only pragmas that show something and change nothing.', {
      engine: 'sqlite',
    });
  }
}

/**
 * Whether `execute` takes a statement.
 *
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkSqliteExecute(sql: string): void {
  const [word = ''] = leadingWords(sql, 1);
  if (
    connectionWords.has(word) ||
    (word === 'PRAGMA' && !showingPragma.test(sql) && !lastingPragma.test(sql))
  ) {
    throw new InvalidArgumentError(
      `execute does not take ${word}, which would change the state of the connection. ` +
        'Use transaction for several statements in one.',
      { engine: 'sqlite' },
    );
  }
}
