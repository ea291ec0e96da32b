import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BridgeDialect } from '@changeover/adapters/kysely';
import { bridgeOf, createStaticStageSource, silentLogger, WiringError } from '@changeover/bridge';
import Database from 'better-sqlite3';
import * as ours from 'kysely';
import pg from 'pg';
import { root } from '../../architecture/source-files.ts';

/** As npm installs it where a program and one of its packages ask for different versions. */
let folder: string;
let theirs: typeof ours;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-kysely-'));
  const installed = dirname(dirname(fileURLToPath(import.meta.resolve('kysely'))));
  cpSync(installed, folder, { recursive: true });
  theirs = (await import(join(folder, 'dist/index.js'))) as typeof ours;
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function bridging(dialect: () => ours.Dialect): BridgeDialect {
  return new BridgeDialect({
    name: 'notes',
    legacy: dialect(),
    pooled: dialect(),
    stages: createStaticStageSource(() => 'shadow'),
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
  });
}

test('dialects of a second copy of Kysely are bridged, and their answers are compared', async () => {
  const file = join(folder, 'notes.db');
  expect(theirs.SqliteAdapter).not.toBe(ours.SqliteAdapter);
  const dialect = bridging(() => new theirs.SqliteDialect({ database: new Database(file) }));
  const db = new theirs.Kysely<{ note: { id: number } }>({ dialect });
  await db.schema.createTable('note').addColumn('id', 'integer').execute();
  await db.insertInto('note').values({ id: 7 }).execute();
  const bridge = bridgeOf(dialect);
  for (let round = 0; bridge.recorder.summary().totals.match === 0 && round < 1_000; round += 1) {
    expect(await db.selectFrom('note').selectAll().execute()).toEqual([{ id: 7 }]);
    await bridge.idle();
    await new Promise(setImmediate);
  }
  expect(bridge.recorder.summary().totals).toMatchObject({
    mismatch: 0,
    match: expect.any(Number),
  });
  expect(bridge.recorder.summary().totals.match).toBeGreaterThan(0);
  await db.destroy();
});

test.each(['PostgresDialect', 'PGliteDialect'] as const)(
  'a %s of a second copy of Kysely is known',
  async (name) => {
    const pool = new pg.Pool();
    const made = (): ours.Dialect =>
      name === 'PostgresDialect'
        ? new theirs.PostgresDialect({ pool })
        : new theirs.PGliteDialect({ pglite: {} as never });
    expect(() => bridging(made).createDriver()).not.toThrow();
    await pool.end();
  },
);

test("what a bundler has renamed, and what a program's own class extends, is known; another engine is refused", () => {
  const Bundled = { SqliteAdapter$1: class extends Object {} }.SqliteAdapter$1;
  const withAdapter = (adapter: object) => (): ours.Dialect =>
    Object.assign(new theirs.SqliteDialect({ database: new Database(':memory:') }), {
      createAdapter: () => adapter,
    });
  class Own extends theirs.SqliteAdapter {}
  expect(() => bridging(withAdapter(new Own())).createDriver()).not.toThrow();
  expect(() => bridging(withAdapter(new Bundled())).createDriver()).not.toThrow();
  const mysql = (): ours.Dialect => new theirs.MysqlDialect({ pool: {} as never });
  expect(() => bridging(mysql).createDriver()).toThrow(WiringError);
});

test('dialects of a second copy that a minifier has taken the names of are known; another engine is refused', async () => {
  const bundle = join(folder, 'minified.mjs');
  const { status, stderr } = spawnSync(
    join(root, 'node_modules/.bin/esbuild'),
    [
      join(folder, 'dist/index.js'),
      ...['--bundle', '--minify', '--format=esm', '--platform=node', `--outfile=${bundle}`],
    ],
    { encoding: 'utf8' },
  );
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const minified = (await import(bundle)) as typeof ours;
  expect(new minified.SqliteDialect({} as never).createAdapter().constructor.name).not.toContain(
    'Sqlite',
  );
  for (const Known of [minified.SqliteDialect, minified.PostgresDialect, minified.PGliteDialect])
    expect(() => bridging(() => new Known({} as never)).createDriver()).not.toThrow();
  const mysql = (): ours.Dialect => new minified.MysqlDialect({} as never);
  expect(() => bridging(mysql).createDriver()).toThrow(WiringError);
});
