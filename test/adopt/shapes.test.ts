import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adopt } from '@changeover/adopt';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-shapes-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(folder, 'knexfile.js'),
    "export default { test: { client: 'sqlite3' }, production: { client: 'sqlite3' } };",
  );
  writeFileSync(
    join(folder, 'knexfile.cjs'),
    "module.exports = { test: { client: 'sqlite3' }, production: { client: 'pg' } };",
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Ways to make a handle, and what stands in its place. */
const wrapped: readonly (readonly [
  shape: string,
  file: string,
  source: string,
  written: readonly string[],
])[] = [
  [
    'a driver that is loaded when it is first needed',
    'lazy-import.ts',
    `let db;
export async function getDb() {
  if (!db) {
    const { default: Database } = await import('better-sqlite3');
    db = new Database('a.db');
  }
  return db;
}`,
    ["db = bridgeDatabase(new Database('a.db'), { name: 'db' })"],
  ],
  [
    'a driver that is loaded into a variable',
    'assigned-import.js',
    `let duckdb;
let connection;
export async function getConnection() {
  if (!connection) {
    duckdb = await import('@duckdb/node-api');
    const instance = await duckdb.DuckDBInstance.create('a.duckdb');
    connection = await instance.connect();
  }
  return connection;
}`,
    [
      "connection = bridgeConnection(await instance.connect(), { name: 'assigned-import', pooled: async () => instance.connect() })",
    ],
  ],
  [
    'a driver that is loaded at the top, or in one expression',
    'top-import.ts',
    `const { Pool } = await import('pg');
export const pool = new Pool();
export const other = new (await import('pg')).default.Pool();`,
    [
      "pool = bridgePool(new Pool(), { name: 'top-import' })",
      "bridgePool(new (await import('pg')).default.Pool(), {",
    ],
  ],
  [
    'two handles in an array',
    'array.ts',
    `import { Pool } from 'pg';
export const [reading, writing] = [new Pool({ max: 5 }), new Pool({ max: 1 })];`,
    [
      "[bridgePool(new Pool({ max: 5 }), { name: 'reading' }), bridgePool(new Pool({ max: 1 }), { name: 'reading-writing' })]",
    ],
  ],
  [
    'two handles in an object',
    'object.ts',
    `import Database from 'better-sqlite3';
export const connections = { main: new Database('main.db'), logs: new Database('logs.db') };`,
    [
      "main: bridgeDatabase(new Database('main.db'), { name: 'connections' })",
      "logs: bridgeDatabase(new Database('logs.db'), { name: 'connections-logs' })",
    ],
  ],
  [
    'a handle in an object that is exported by default',
    'in-object.cjs',
    `const Database = require('better-sqlite3');
module.exports = { db: new Database('a.db'), close() { this.db.close(); } };`,
    ["db: bridgeDatabase(new Database('a.db'), { name: 'in-object' })"],
  ],
  [
    'a file that must be there, which a handle does not tell',
    'must-exist.ts',
    `import Database from 'better-sqlite3';
export const db = new Database('a.db', { fileMustExist: true });`,
    ["{ name: 'db', pooled: (file) => new Database(file, { fileMustExist: true }) }"],
  ],
  [
    'Kysely whose options are a constant',
    'kysely-options.ts',
    `import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
const dialect = new PostgresDialect({ pool: new Pool({ max: 10 }) });
const options = { dialect };
export const db = new Kysely(options);`,
    [
      'dialect: new BridgeDialect({',
      'legacy: dialect,',
      'pooled: new PostgresDialect({ pool: new Pool({ max: 10 }) }),',
    ],
  ],
  [
    'Kysely over a handle that is handed out itself: the handle, and Kysely with it',
    'kysely-handle.ts',
    `import { Kysely, SqliteDialect } from 'kysely';
import Database from 'better-sqlite3';
export const sqlite = new Database('a.db');
export const db = new Kysely({ dialect: new SqliteDialect({ database: sqlite }) });`,
    [
      "sqlite = bridgeDatabase(new Database('a.db'), { name: 'sqlite' })",
      'new Kysely({ dialect: new SqliteDialect(',
    ],
  ],
  [
    'Knex, one of whose clients is refused',
    'knex-clients.cjs',
    `const db = require('knex')(require('./knexfile.cjs')[process.env.NODE_ENV]);
module.exports = db;`,
    [
      "bridgeKnex(require('knex')(require('./knexfile.cjs')[process.env.NODE_ENV]), { /* TODO: with its client sqlite3 this is refused when it is made: make it better-sqlite3, which takes the same options */ name: 'db' })",
    ],
  ],
];

test.each(wrapped)('%s', (_shape, file, source, written) => {
  const path = join(folder, file);
  writeFileSync(path, `${source}\n`);
  const { outcome, shape, diff } = adopt(path, { dryRun: true });
  expect([outcome, shape]).toEqual(['adopted', 'handle']);
  for (const text of written) expect(diff).toContain(text);
});

/** What would not run if it was wrapped, and what is said of it. */
const left: readonly (readonly [file: string, source: string, said: string])[] = [
  [
    'knex-sqlite3.js',
    `import knex from 'knex';
import config from './knexfile.js';
export const db = knex(config[process.env.NODE_ENV]);`,
    'of Knex with its client sqlite3: make it better-sqlite3, which takes the same options',
  ],
  [
    'knex-inline.js',
    `import knex from 'knex';
export const db = knex({ client: 'sqlite3', connection: { filename: 'a.db' } });`,
    'of Knex with its client sqlite3: make it better-sqlite3',
  ],
  [
    'drizzle-url.ts',
    `import { drizzle } from 'drizzle-orm/node-postgres';
export const db = drizzle(process.env.DATABASE_URL);`,
    'Line 2 makes a handle that drizzle opens by itself',
  ],
  [
    'typeorm.ts',
    `import { DataSource } from 'typeorm';
export const source = new DataSource({ type: 'better-sqlite3', database: 'a.db' });`,
    'takes an adapter by its option driver',
  ],
  [
    'kysely-elsewhere.ts',
    `import { Kysely } from 'kysely';
import { options } from './options.ts';
export const db = new Kysely(options);`,
    'of Kysely, whose dialect is not written in this file',
  ],
];

test.each(left)('%s is left as it is, with what to do', (file, source, said) => {
  const path = join(folder, file);
  writeFileSync(path, `${source}\n`);
  const { outcome, notes, diff } = adopt(path);
  expect([outcome, diff]).toEqual(['nothing', '']);
  expect(notes.join('\n')).toContain(said);
});

test('lists who requires a handle that is exported where it is made', () => {
  const path = join(folder, 'connection.cjs');
  writeFileSync(path, "const { Pool } = require('pg');\nmodule.exports = new Pool();\n");
  writeFileSync(
    join(folder, 'users.cjs'),
    "const db = require('./connection.cjs');\nexports.all = () => db.query('select 1');\n",
  );
  const { callSites } = adopt(path, { dryRun: true });
  expect(callSites.stay.map(({ file, line }) => `${file}:${String(line)}`)).toEqual([
    'users.cjs:1',
    'users.cjs:2',
  ]);
});
