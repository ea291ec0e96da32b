import type { InitHandle, WiringSubject } from '@changeover/operate/command';

/** The line before a wiring that opens a connection by the environment. */
const databaseUrl = 'process.env.DATABASE_URL';

/** Whose dialect a project's query builder has. */
function overSqlite(found: ReadonlySet<string>): boolean {
  return found.has('better-sqlite3') && !found.has('pg');
}

/** A program that uses a query builder has its driver as well, so that comes first: its queries go through it. */
export const initHandles: readonly InitHandle[] = [
  {
    packageName: 'kysely',
    name: 'db',
    title: 'BridgeDialect of changeover/kysely stands between Kysely and its dialects',
    next: "take the one line at your own Kysely's dialect, with your own pools",
    needs: (found) => (overSqlite(found) ? ['better-sqlite3'] : ['libpg-query', 'pg']),
    imports: (found) => [
      ...(overSqlite(found)
        ? [
            { names: 'Database', from: 'better-sqlite3' },
            { names: ['Kysely', 'SqliteDialect'], from: 'kysely' },
          ]
        : [
            { names: ['Kysely', 'PostgresDialect'], from: 'kysely' },
            { names: 'pg', from: 'pg' },
          ]),
      { names: ['BridgeDialect'], from: 'changeover/kysely' },
    ],
    body: kyselyWiring,
  },
  {
    packageName: 'knex',
    name: 'db',
    title: 'bridgeKnex of changeover/knex stands in for a Knex instance',
    next: 'wrap your own instance where it is made; its call sites stay',
    needs: (found) => (overSqlite(found) ? ['better-sqlite3'] : ['libpg-query', 'pg']),
    imports: () => [
      { names: 'knex', from: 'knex' },
      { names: ['bridgeKnex'], from: 'changeover/knex' },
    ],
    body: ({ name, variable, found }) => `export const ${variable} = bridgeKnex(
  knex({ ${overSqlite(found) ? "client: 'better-sqlite3', connection: { filename: 'data.db' }, useNullAsDefault: true" : `client: 'pg', connection: ${databaseUrl} ?? 'postgres://localhost/app'`} }),
  { name: '${name}' }, // the flag is changeover.${name}
);
`,
  },
  {
    packageName: 'pg',
    name: 'db',
    title: 'bridgeClient of changeover/pg stands in for a pg.Client (bridgePool for a pg.Pool)',
    next: 'wrap your own client where it is made; its call sites stay',
    needs: () => ['libpg-query'],
    imports: () => [
      { names: 'pg', from: 'pg' },
      { names: ['bridgeClient'], from: 'changeover/pg' },
    ],
    body: ({
      name,
      variable,
    }) => `export const ${variable} = bridgeClient(new pg.Client(${databaseUrl}), {
  name: '${name}', // the flag is changeover.${name}
  // key: () => tenant.getStore(), // what moves by itself. Default: all of it together
});
`,
  },
  {
    packageName: 'better-sqlite3',
    name: 'db',
    title: 'bridgeDatabase of changeover/better-sqlite3 stands in for a better-sqlite3 handle',
    next: 'wrap your own handle where it is opened; its call sites stay',
    needs: () => [],
    imports: () => [
      { names: 'Database', from: 'better-sqlite3' },
      { names: ['bridgeDatabase'], from: 'changeover/better-sqlite3' },
    ],
    body: ({
      name,
      variable,
      typescript,
    }) => `export const ${variable}${typescript ? ': Database.Database' : ''} = bridgeDatabase(new Database('data.db'), {
  name: '${name}', // the flag is changeover.${name}
});
`,
  },
  {
    packageName: '@duckdb/node-api',
    name: 'db',
    title: 'bridgeConnection of changeover/duckdb stands in for a DuckDBConnection',
    next: 'wrap your own connection where it is made; its call sites stay',
    needs: () => [],
    imports: () => [
      { names: ['DuckDBInstance'], from: '@duckdb/node-api' },
      { names: ['bridgeConnection'], from: 'changeover/duckdb' },
    ],
    body: duckdbWiring,
  },
];

/** DuckDB's connections are promised, which a CommonJS module can't wait for before it exports. */
function duckdbWiring({ name, variable }: WiringSubject): string {
  return `/** Waits for the database, once. */
async function open() {
  const instance = await DuckDBInstance.create('data.duckdb');
  return bridgeConnection(await instance.connect(), {
    name: '${name}', // the flag is changeover.${name}
    pooled: () => instance.connect(), // another connection to the same instance
  });
}

/** To be awaited where it is used. A module that may wait gives the connection itself: export const ${variable} = await open(). */
export const ${variable} = open();
`;
}

function kyselyWiring({ name, variable, typescript, found }: WiringSubject): string {
  const isSqlite = overSqlite(found);
  const [legacy, pooled] = isSqlite
    ? [
        "new SqliteDialect({ database: new Database('data.db') })",
        "new SqliteDialect({ database: new Database('data.db') })",
      ]
    : [1, 10].map(
        (max) =>
          `new PostgresDialect({ pool: new pg.Pool({ connectionString: ${databaseUrl}, max: ${String(max)} }) })`,
      );
  return `${typescript ? '// Your own tables.\nexport interface Tables {\n  notes: { id: number; text: string };\n}\n\n' : ''}export const ${variable} = new Kysely${typescript ? '<Tables>' : ''}({
  dialect: new BridgeDialect({
    name: '${name}', // the flag is changeover.${name}
    legacy: ${legacy ?? ''}, // as it was
    pooled: ${pooled ?? ''}, // what is to take its place
  }),
});
`;
}
