import type { DatabaseSync } from 'node:sqlite';

/** What SQLite says that a statement uses, having compiled it on a copy of the schema and never run it. */
export interface Compiled {
  /** Functions, in lower case. */
  readonly functions: ReadonlySet<string>;
  readonly reads: readonly { readonly table: string; readonly temporary: boolean }[];
  /** Views and common table expressions that something is read through. */
  readonly through: ReadonlySet<string>;
  /** What is neither a read nor a call, as SQLite's authorizer names it: `INSERT`, `TRANSACTION`; with its object. */
  readonly others: readonly {
    readonly action: string;
    readonly object: string;
    readonly temporary: boolean;
  }[];
  /** A column's own name where its values are those of a table's column; null: an expression. Undefined: not known. */
  readonly columns: readonly (string | null)[] | undefined;
}

interface Sqlite {
  readonly DatabaseSync: typeof DatabaseSync;
  readonly constants: Readonly<Record<string, number>>;
}

type Event = readonly [number, string | null, string | null, string | null, string | null];

/**
 * An empty database in memory with the objects of a schema. With an authorizer (Node 24.10 and later) SQLite tells while compiling
 * what a statement uses, views and triggers looked through; without, the compiled program is read by EXPLAIN. A PRAGMA must never
 * come here: SQLite runs some of them while it compiles.
 */
export class SchemaCopy {
  readonly #database: DatabaseSync;
  readonly #actions = new Map<number, string>();
  readonly #constants: Readonly<Record<string, number>>;
  readonly #authorized: boolean;
  /** What was asked of the copy, by question: it changes only by `add`. */
  readonly #known = new Map<string, Record<string, unknown>[]>();
  #events: Event[] = [];

  constructor(
    sqlite: Sqlite,
    schema: readonly string[],
    options: { readonly pure: ReadonlySet<string>; readonly authorizer?: boolean },
  ) {
    this.#database = new sqlite.DatabaseSync(':memory:');
    this.#constants = sqlite.constants;
    for (const [name, code] of Object.entries(sqlite.constants))
      if (!/CHANGESET|SQLITE_(OK|DENY|IGNORE)$/.test(name)) this.#actions.set(code, name.slice(7));
    for (const name of options.pure)
      this.#database.function(name, { varargs: true, deterministic: true }, () => null);
    for (const sql of schema) this.add(sql);
    this.#authorized =
      options.authorizer !== false && typeof this.#database.setAuthorizer === 'function';
    if (this.#authorized) this.#watch();
  }

  /** Makes an object of the schema. One that can't be made here (its module or a function is not there) is left out. */
  add(sql: string): void {
    this.#known.clear();
    this.#unwatched(() => {
      try {
        this.#database.exec(sql);
      } catch {
        // Statements that use it don't compile, and so act.
      }
    });
  }

  /**
   * Compiles one statement.
   *
   * @throws Error of SQLite, if it doesn't compile.
   */
  compile(sql: string): Compiled {
    if (!this.#authorized) return this.#explained(sql);
    this.#events = [];
    const statement = this.#database.prepare(sql);
    const events = this.#events;
    this.#events = [];
    const columns = statement.columns().map(({ column, table }) =>
      // A table-valued function's column is no fact of a table.
      table === null || table.startsWith('pragma_') ? null : column,
    );
    return { ...this.#compiledBy(events), columns };
  }

  /** What a table's or view's CREATE statement says; undefined: there is none. */
  definition(name: string): string | undefined {
    const rows = this.#all(
      'SELECT sql FROM (SELECT name, sql FROM sqlite_schema UNION ALL SELECT name, sql FROM sqlite_temp_schema) WHERE name = ? COLLATE NOCASE',
      name,
    );
    const sql = rows[0]?.['sql'];
    return typeof sql === 'string' ? sql : undefined;
  }

  /** The columns of a table, in lower case, with their declared types. */
  columns(table: string): { readonly name: string; readonly type: string }[] {
    return this.#all('SELECT name, type FROM pragma_table_info(?)', table).map(
      ({ name, type }) => ({
        name: String(name).toLowerCase(),
        type: String(type),
      }),
    );
  }

  /** The names of a table's rowid, which is a whole number and tells its rows apart. */
  rowids(table: string): string[] {
    const definition = this.#tableDefinition(table);
    if (definition === undefined || /\bwithout\s+rowid\b/i.test(definition)) return [];
    const columns = this.#all('SELECT name, type, pk FROM pragma_table_xinfo(?)', table);
    const names = new Set(columns.map(({ name }) => String(name).toLowerCase()));
    const [primary, ...more] = columns.filter(({ pk }) => Number(pk) > 0);
    // `INTEGER PRIMARY KEY DESC` has an index of its own, and is a column like any other.
    const isRowid =
      more.length === 0 &&
      /^integer$/i.test(String(primary?.['type'])) &&
      this.#all("SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'", table).length === 0;
    const own = isRowid ? [String(primary?.['name']).toLowerCase()] : [];
    return [...own, ...['rowid', '_rowid_', 'oid'].filter((name) => !names.has(name))];
  }

  /** Sets of columns that no two rows of a table share, none NULL, compared byte by byte. */
  keys(table: string): string[][] {
    const definition = this.#tableDefinition(table);
    if (definition === undefined) return [];
    const info = this.#all('SELECT name, "notnull" AS required FROM pragma_table_info(?)', table);
    const keys = this.rowids(table).map((name) => [name]);
    // A column's collation may call equal what the key does not.
    if (/\bcollate\b/i.test(definition)) return keys;
    const required = new Set(
      info
        .filter((row) => Number(row['required']) === 1)
        .map((row) => String(row['name']).toLowerCase()),
    );
    const indexes = this.#all(
      'SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0',
      table,
    );
    for (const { name } of indexes) {
      const columns = this.#all(
        'SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1',
        String(name),
      );
      const names = columns.map((row) =>
        typeof row['name'] === 'string' ? row['name'].toLowerCase() : undefined,
      );
      const certain =
        names.every((column) => column !== undefined && required.has(column)) &&
        columns.every(({ coll }) => coll === 'BINARY');
      if (certain) keys.push(names as string[]);
    }
    return keys;
  }

  close(): void {
    this.#database.close();
  }

  /** Undefined where the name is no table's: a view's, or nobody's. */
  #tableDefinition(table: string): string | undefined {
    const definition = this.definition(table);
    return definition !== undefined && /^\s*create\s+(temp\w*\s+)?table/i.test(definition)
      ? definition
      : undefined;
  }

  #watch(): void {
    const { SQLITE_PRAGMA: pragma, SQLITE_DENY: deny = 1, SQLITE_OK: ok = 0 } = this.#constants;
    this.#database.setAuthorizer((action, first, second, database, inner) => {
      this.#events.push([action, first, second, database, inner]);
      return action === pragma ? deny : ok;
    });
  }

  #unwatched(work: () => void): void {
    if (this.#authorized) this.#database.setAuthorizer(null);
    try {
      work();
    } finally {
      if (this.#authorized) this.#watch();
    }
  }

  #all(sql: string, ...values: string[]): Record<string, unknown>[] {
    const key = JSON.stringify([sql, ...values]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    let rows: Record<string, unknown>[] = [];
    this.#unwatched(() => {
      rows = this.#database.prepare(sql).all(...values);
    });
    // Questions are about objects of the schema; a program's, of which there is no end, is not kept.
    if (!sql.startsWith('EXPLAIN ')) this.#known.set(key, rows);
    return rows;
  }

  #compiledBy(events: readonly Event[]): Omit<Compiled, 'columns'> {
    const functions = new Set<string>();
    const through = new Set<string>();
    const reads: { table: string; temporary: boolean }[] = [];
    const others: { action: string; object: string; temporary: boolean }[] = [];
    for (const [code, first, second, database, inner] of events) {
      const action = this.#actions.get(code) ?? `action ${code}`;
      const temporary = database === 'temp' || action.includes('TEMP');
      if (inner !== null) through.add(inner);
      if (action === 'FUNCTION') functions.add((second ?? '').toLowerCase());
      else if (action === 'READ') reads.push({ table: first ?? '', temporary });
      else if (action !== 'SELECT' && action !== 'RECURSIVE')
        others.push({ action, object: first ?? '', temporary });
    }
    return { functions, reads, through, others };
  }

  /** Without an authorizer: the program of a copy without rows. What it can't tell is named so that it acts. */
  #explained(sql: string): Compiled {
    const program = this.#all(`EXPLAIN ${sql}`);
    const functions = new Set<string>();
    const others: { action: string; object: string; temporary: boolean }[] = [];
    const roots = new Map<string, string>();
    for (const { name, rootpage } of this.#all(
      'SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0',
    ))
      roots.set(String(rootpage), String(name));
    const reads: { table: string; temporary: boolean }[] = [];
    for (const { opcode, p1, p2, p3, p4 } of program) {
      const name = /^(.*)\(-?\d+\)$/.exec(String(p4))?.[1];
      if (
        /^(PureFunc|Function|AggStep|AggInverse|AggFinal)/.test(String(opcode)) &&
        name !== undefined
      )
        functions.add(name.toLowerCase());
      if (opcode === 'OpenRead')
        reads.push({ table: roots.get(String(p2)) ?? '', temporary: Number(p3) === 1 });
      if (opcode === 'Transaction' && Number(p2) !== 0)
        others.push({ action: 'WRITE', object: '', temporary: Number(p1) === 1 });
      if (
        /^(AutoCommit|Savepoint|Vacuum|JournalMode|Checkpoint|IncrVacuum|VOpen|VUpdate|VCreate|VDestroy|VRename|CreateBtree|Destroy|ParseSchema|Drop.*|SqlExec|Expire)$/.test(
          String(opcode),
        )
      )
        others.push({ action: String(opcode), object: '', temporary: false });
    }
    return { functions, reads, through: new Set(), others, columns: undefined };
  }
}
