import { type Engine, type LastingEffect, undeterminedSql } from '@changeover/engines/api';
import type { Program } from '@changeover/engines';
import {
  eventTriggerVersion,
  firedBySchema,
  functionVersion,
  type Token,
  tokensOf,
  triggerVersion,
} from '@changeover/engines/sqlite';

/** What rolling back can't undo, or running twice can't repeat. */
export type LastingEffects = Omit<LastingEffect, 'code'>;

/** What is known of a statement before its effects are looked for. */
export interface KnownBefore {
  /** The table that it writes to; undefined where it can't be told. */
  readonly table: string | undefined;
  /** What its parser told, and the code of users' own; undefined where nobody could. */
  readonly told?: LastingEffect | undefined;
}

/** Why a statement is not rehearsed that would run other code than was looked into, or another version of it. */
export const otherCode = 'code that it runs was changed since it was looked into';

/** Statements that change rows, and not what a table is. */
const rowsWords: ReadonlySet<string> = new Set([
  ...['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'TRUNCATE', 'MERGE', 'WITH'],
]);
/** Others whose every effect a rollback takes back. What is left copies to files, sets sequences, or runs what nobody can see. */
const schemaWords: ReadonlySet<string> = new Set(['CREATE', 'ALTER', 'DROP', 'COMMENT']);
const fillingWords: ReadonlySet<string> = new Set(['insert', 'replace', 'merge', 'default']);
/** These count on however the transaction ends. */
const sequenceFunctions: ReadonlySet<string> = new Set(['nextval', 'setval']);
const sequenceRefusal = 'it takes values from a sequence, which a rollback does not give back';

interface TableTraits {
  /** Expressions that fill columns. */
  readonly defaults: readonly string[];
  readonly identity: boolean;
  /** Texts of what the database runs beside; a text that can't be read is the empty one. */
  readonly triggers: readonly string[];
  /** Rules stand beside it, or in its place. */
  readonly rules: boolean;
}

/**
 * What a statement would leave behind after a rollback, and what of it differs each time: sequences, triggers, defaults such as
 * `now()`. It reads the statement's words and the table's definition; what a user's own function does it can't see, but by what is told.
 */
export function* lastingEffects(
  engine: Engine,
  sql: string,
  { table, told }: KnownBefore,
): Program<LastingEffects> {
  const tokens = tokensIn(engine, sql);
  const lead = tokens[0]?.type === 'word' ? tokens[0].text.toUpperCase() : '';
  if (!rowsWords.has(lead) && !schemaWords.has(lead))
    return { refusal: 'not everything that it does can be rolled back' };
  if (takesNumber(tokens)) return { refusal: sequenceRefusal };
  if (engine === 'postgresql') {
    const refusal = yield* unseenCode(told?.code, schemaWords.has(lead) ? undefined : table);
    if (refusal !== undefined) return { refusal };
  }
  const variable = undeterminedSql(sql)?.reason ?? told?.variable;
  if (!rowsWords.has(lead)) return { variable };
  if (table === undefined) {
    return engine === 'sqlite'
      ? { variable }
      : { refusal: 'the table that it writes to, and what fills its columns, can not be told' };
  }
  const traits = yield* traitsOf(engine, table);
  if (traits.rules) return { refusal: 'rules run beside it, whose effects can not be seen' };
  // SQLite's own counters are rows of a table, and are rolled back as such.
  const fills = tokens.some(
    ({ type, text }) => type === 'word' && fillingWords.has(text.toLowerCase()),
  );
  const numbered = (): boolean =>
    traits.identity || traits.defaults.some((text) => takesNumber(tokensIn(engine, text)));
  if (fills && numbered()) return { refusal: sequenceRefusal };
  const filled =
    fills && traits.defaults.some((text) => isMadeAnew(engine, text))
      ? 'a column is filled with a value that is made anew each time'
      : undefined;
  const isAnew = (text: string): boolean => text === '' || isMadeAnew(engine, text);
  const triggered =
    engine === 'sqlite' && traits.triggers.some(isAnew)
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
        WHERE system.main.lower(table_name) = system.main.lower(?) AND schema_name = current_schema() AND database_name = current_database()
          AND column_default IS NOT NULL`,
        table,
      );
      return { defaults, identity: false, triggers: [], rules: false };
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
        rules: false,
      };
  }
}

/** The dataset's schema is the search path, and a name in it is quoted to stay as it is. */
const named = 'to_regclass(quote_ident($1::text))';

function* postgresTraits(table: string): Program<TableTraits> {
  const defaults = yield* texts(
    `SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a
    ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = ${named} AND a.attgenerated = ''`,
    table,
  );
  const identities = yield* texts(
    `SELECT attname FROM pg_attribute WHERE attrelid = ${named} AND attidentity <> ''`,
    table,
  );
  const triggers = yield* texts(
    `SELECT tgname FROM pg_trigger WHERE tgrelid = ${named} AND NOT tgisinternal`,
    table,
  );
  const rules = yield* texts(`SELECT rulename FROM pg_rewrite WHERE ev_class = ${named}`, table);
  return { defaults, identity: identities.length > 0, triggers, rules: rules.length > 0 };
}

/**
 * Why a statement for PostgreSQL runs code that nobody has looked into: triggers beside it, or another version of what was.
 *
 * @param code the versions that were looked into; undefined where nobody could.
 * @param table whose rows it writes; undefined: it changes the schema.
 */
function* unseenCode(
  code: readonly string[] | undefined,
  table: string | undefined,
): Program<string | undefined> {
  const fired =
    table === undefined
      ? yield* texts(`SELECT ${eventTriggerVersion} FROM pg_event_trigger e WHERE ${firedBySchema}`)
      : yield* texts(
          `SELECT ${triggerVersion} FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
          WHERE t.tgrelid = ${named} AND NOT t.tgisinternal`,
          table,
        );
  if (code === undefined)
    return fired.length > 0 ? 'triggers run beside it, whose effects can not be seen' : undefined;
  if (!fired.every((version) => code.includes(version))) return otherCode;
  const functions = code.filter((version) => version.startsWith('function:'));
  if (functions.length === 0) return undefined;
  const there = yield* texts(
    `SELECT ${functionVersion} FROM pg_proc p WHERE p.oid = ANY(CAST(string_to_array($1, ',') AS oid[]))`,
    functions.map((version) => version.split(':')[1]).join(),
  );
  return functions.every((version) => there.includes(version)) ? undefined : otherCode;
}

/**
 * Why rows appended to a table come out otherwise than in a temporary table of the same columns: triggers, and columns that the
 * database fills. Undefined where nothing does.
 *
 * @param written the columns that the rows have.
 */
export function* filledByDatabase(
  engine: Engine,
  table: string,
  written: readonly string[],
): Program<string | undefined> {
  const { rules, triggers } = yield* traitsOf(engine, table);
  if (rules || triggers.length > 0) return 'triggers run beside it';
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
  duckdb: `SELECT column_name FROM duckdb_columns() WHERE system.main.lower(table_name) = system.main.lower(?) AND schema_name = current_schema()
    AND database_name = current_database() AND NOT is_nullable AND column_default IS NOT NULL`,
  sqlite: `SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3) OR ("notnull" AND dflt_value IS NOT NULL)
    OR (pk = 1 AND upper(type) = 'INTEGER')`,
};

function* texts(sql: string, ...params: readonly string[]): Program<string[]> {
  const { cells } = yield { kind: 'all', sql, params, form: 'cells' };
  return cells.map(([text]) => (typeof text === 'string' ? text : ''));
}

/** True where its value may be another one at each run, as far as its words tell; a function that isn't known may be. */
function isMadeAnew(engine: Engine, expression: string): boolean {
  return (
    undeterminedSql(expression) !== undefined ||
    calledIn(tokensIn(engine, expression)).some((name) => name !== 'cast')
  );
}

function takesNumber(tokens: readonly Token[]): boolean {
  return calledIn(tokens).some((name) => sequenceFunctions.has(name));
}

/** What stands before a bracket, quoted or not. */
function calledIn(tokens: readonly Token[]): string[] {
  return tokens.flatMap(({ type, text }, at) => {
    if ((type !== 'word' && type !== 'name') || tokens[at + 1]?.text !== '(') return [];
    return [(type === 'name' ? text.slice(1, -1) : text).toLowerCase()];
  });
}

function tokensIn(engine: Engine, sql: string): Token[] {
  return tokensOf(sql, engine === 'sqlite' ? 'sqlite' : 'postgresql');
}
