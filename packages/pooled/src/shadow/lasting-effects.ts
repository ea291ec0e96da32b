import { type Engine, undeterminedSql } from '@changeover/engines/api';
import type { Program } from '@changeover/engines';

/** What rolling back can't undo, or running twice can't repeat. */
export interface LastingEffects {
  /** Why the statement must not be rehearsed at all; undefined where it may. */
  readonly refusal?: string | undefined;
  /** Why the rows that it leaves differ from run to run; undefined where nothing says that they do. */
  readonly variable?: string | undefined;
}

const space = String.raw`(?:\s|--[^\n]*\n|/\*[\s\S]*?\*/)*`;
/** Statements whose every effect a rollback takes back. Others copy to files, set sequences, or run what nobody can see. */
const transactional = new RegExp(
  `^${space}(?:insert|update|delete|replace|truncate|merge|with|create|alter|drop|comment)\\b`,
  'i',
);
/** Those that change rows, and not what a table is. */
const changesRows = new RegExp(
  `^${space}(?:insert|update|delete|replace|truncate|merge|with)\\b`,
  'i',
);
const inserts = /\b(?:insert|replace|merge)\b|\bdefault\b/i;
/** These count on however the transaction ends. */
const sequence = /\b(?:nextval|setval)\s*\(/i;
const sequenceRefusal = 'it takes values from a sequence, which a rollback does not give back';

interface TableTraits {
  /** Expressions that fill columns. */
  readonly defaults: readonly string[];
  readonly identity: boolean;
  /** Texts of what the database runs beside; a text that can't be read is the empty one. */
  readonly triggers: readonly string[];
}

/**
 * What a statement would leave behind after a rollback, and what of it differs each time: sequences, triggers, defaults such as
 * `now()`. It reads the statement's words and the table's definition; what a user's own function does it can't see.
 *
 * @param table the table that the statement writes to; undefined where it can't be told.
 */
export function* lastingEffects(
  engine: Engine,
  sql: string,
  table: string | undefined,
): Program<LastingEffects> {
  if (!transactional.test(sql))
    return { refusal: 'not everything that it does can be rolled back' };
  if (sequence.test(sql)) return { refusal: sequenceRefusal };
  const variable = undeterminedSql(sql)?.reason;
  if (!changesRows.test(sql)) return { variable };
  if (table === undefined) {
    return engine === 'sqlite'
      ? { variable }
      : { refusal: 'the table that it writes to, and what fills its columns, can not be told' };
  }
  const traits = yield* traitsOf(engine, table);
  // SQLite's own counters are rows of a table, and are rolled back as such.
  if (engine !== 'sqlite' && traits.triggers.length > 0)
    return { refusal: 'triggers run beside it, whose effects can not be seen' };
  if (inserts.test(sql) && (traits.identity || traits.defaults.some((text) => sequence.test(text))))
    return { refusal: sequenceRefusal };
  const filled =
    inserts.test(sql) && traits.defaults.some(isMadeAnew)
      ? 'a column is filled with a value that is made anew each time'
      : undefined;
  const triggered = traits.triggers.some((text) => text === '' || isMadeAnew(text))
    ? 'a trigger changes rows beside it'
    : undefined;
  return { variable: variable ?? filled ?? triggered };
}

function* traitsOf(engine: Engine, table: string): Program<TableTraits> {
  switch (engine) {
    case 'postgresql':
      return yield* postgresTraits(table);
    case 'duckdb': {
      const defaults = yield* texts(
        `SELECT column_default FROM duckdb_columns()
        WHERE lower(table_name) = lower(?) AND schema_name = current_schema() AND database_name = current_database()
          AND column_default IS NOT NULL`,
        table,
      );
      return { defaults, identity: false, triggers: [] };
    }
    case 'sqlite':
      return {
        defaults: yield* texts(
          'SELECT dflt_value FROM pragma_table_xinfo(?) WHERE dflt_value IS NOT NULL',
          table,
        ),
        identity: false,
        triggers: yield* texts(
          "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)",
          table,
        ),
      };
  }
}

function* postgresTraits(table: string): Program<TableTraits> {
  // The dataset's schema is the search path, and a name in it is quoted to stay as it is.
  const relation = 'to_regclass(quote_ident($1::text))';
  const defaults = yield* texts(
    `SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a
    ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = ${relation} AND a.attgenerated = ''`,
    table,
  );
  const identities = yield* texts(
    `SELECT attname FROM pg_attribute WHERE attrelid = ${relation} AND attidentity <> ''`,
    table,
  );
  const triggers = yield* texts(
    `SELECT tgname FROM pg_trigger WHERE tgrelid = ${relation} AND NOT tgisinternal
    UNION ALL SELECT rulename FROM pg_rewrite WHERE ev_class = ${relation}`,
    table,
  );
  return { defaults, identity: identities.length > 0, triggers };
}

/**
 * Why rows appended to a table come out otherwise than in a temporary table of the same columns: triggers, and columns that the
 * database fills. Undefined where nothing does.
 *
 * @param written the columns that the rows have.
 */
export function* filledBeside(
  engine: Engine,
  table: string,
  written: readonly string[],
): Program<string | undefined> {
  const { triggers } = yield* traitsOf(engine, table);
  if (triggers.length > 0) return 'triggers run beside it';
  const given = new Set(written.map((name) => name.toLowerCase()));
  const filled = (yield* texts(filledColumns[engine], table)).find(
    (name) => !given.has(name.toLowerCase()),
  );
  return filled === undefined
    ? undefined
    : `the database fills the column ${JSON.stringify(filled)}`;
}

/** Columns that get a value where the rows have none. One that may be NULL and only has a default is written as NULL. */
const filledColumns: Readonly<Record<Engine, string>> = {
  postgresql: `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident($1::text)) AND attnum > 0 AND NOT attisdropped
    AND (attgenerated <> '' OR attidentity <> '' OR (attnotnull AND atthasdef))`,
  duckdb: `SELECT column_name FROM duckdb_columns() WHERE lower(table_name) = lower(?) AND schema_name = current_schema()
    AND database_name = current_database() AND NOT is_nullable AND column_default IS NOT NULL`,
  sqlite: `SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3) OR ("notnull" AND dflt_value IS NOT NULL)
    OR (pk = 1 AND upper(type) = 'INTEGER')`,
};

function* texts(sql: string, table: string): Program<string[]> {
  const { cells } = yield { kind: 'all', sql, params: [table], form: 'cells' };
  return cells.map(([text]) => (typeof text === 'string' ? text : ''));
}

/** True where its value may be another one at each run, as far as its words tell; a function that isn't known may be. */
function isMadeAnew(expression: string): boolean {
  const code = expression.replace(/'(?:[^']|'')*'/g, "''").replace(/\bcast\s*\(/gi, '(');
  return undeterminedSql(expression) !== undefined || /[\p{L}_]\s*\(/iu.test(code);
}
