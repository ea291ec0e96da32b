import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { createStaticStageSource, silentLogger } from '@changeover/bridge';
import { bridgeOf } from 'changeover';
import { bridgeDatabase } from 'changeover/better-sqlite3';
import { bridgeKnex } from 'changeover/knex';
import { BridgeDialect } from 'changeover/kysely';
import { bridgeClient, bridgePool } from 'changeover/pg';
import knex from 'knex';
import { Kysely, sql, SqliteDialect } from 'kysely';
import pg from 'pg';

let folder: string;
/** Of the program: it goes on when a handle ends. */
let shared: pg.Pool;
beforeAll(() => {
  shared = new pg.Pool({ connectionString, max: 2 });
  folder = mkdtempSync(join(tmpdir(), 'changeover-ended-'));
});
afterAll(async () => {
  await shared.end();
  rmSync(folder, { recursive: true, force: true });
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const connectionString = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const stages = createStaticStageSource(() => 'shadow');
const settings = (name: string) => ({ name, stages, storePath: ':memory:', logger: silentLogger });
const file = (): string => join(folder, 'notes.sqlite');
const text = 'select 1 as one';

/** Each opens a handle, reads by it, and ends it as a program does that knows of no bridge. */
const handles: Readonly<Record<string, (name: string) => Promise<object>>> = {
  async 'pg.Pool'(name) {
    const pool = bridgePool(new pg.Pool({ connectionString, max: 2 }), settings(name));
    await pool.query(text);
    const client = await pool.connect();
    await client.query(text);
    client.release();
    await pool.end();
    return bridgeOf(pool);
  },
  async 'pg.Client'(name) {
    const client = bridgeClient(new pg.Client({ connectionString }), settings(name));
    await client.connect();
    await client.query(text);
    await client.query(text);
    await client.end();
    return bridgeOf(client);
  },
  async 'pg.Client beside a pool of the program'(name) {
    const client = bridgeClient(new pg.Client({ connectionString }), {
      ...settings(name),
      pooled: () => shared,
    });
    await client.connect();
    await client.query(text);
    await bridgeOf(client).idle();
    await client.end();
    return bridgeOf(client);
  },
  async 'pg.Pool beside a pool of the program'(name) {
    const pool = bridgePool(new pg.Pool({ connectionString, max: 2 }), {
      ...settings(name),
      pooled: () => shared,
    });
    await pool.query(text);
    await bridgeOf(pool).idle();
    await pool.end();
    return bridgeOf(pool);
  },
  async Knex(name) {
    const made = knex({
      client: 'better-sqlite3',
      connection: { filename: file() },
      useNullAsDefault: true,
    });
    const db = bridgeKnex(made, settings(name));
    await db.raw(text);
    await db.raw(text);
    const bridge = bridgeOf(db);
    await db.destroy();
    return bridge;
  },
  async Kysely(name) {
    const leg = (): SqliteDialect => new SqliteDialect({ database: new Database(file()) });
    const dialect = new BridgeDialect({ ...settings(name), legacy: leg(), pooled: leg() });
    const db = new Kysely({ dialect });
    await sql`select 1`.execute(db);
    await sql`select 1`.execute(db);
    const bridge = bridgeOf(dialect);
    await db.destroy();
    return bridge;
  },
  'better-sqlite3'(name) {
    const db = bridgeDatabase(new Database(file()), settings(name));
    db.prepare(text).get();
    db.prepare(text).get();
    db.close();
    return Promise.resolve(bridgeOf(db));
  },
};

/** How many of these are in memory once nothing has happened for as long as it takes. */
async function inMemory(
  objects: readonly WeakRef<object>[],
  { atMost }: { readonly atMost: number },
): Promise<number> {
  let left = objects.length;
  for (let tries = 0; tries < 50 && left > atMost; tries += 1) {
    await pause(20);
    collectGarbage();
    left = objects.filter((object) => object.deref() !== undefined).length;
  }
  return left;
}

test.each(Object.keys(handles))(
  'a handle of %s that was ended leaves nothing of its bridge in memory',
  async (kind) => {
    const bridges: WeakRef<object>[] = [];
    for (let at = 0; at < 10; at += 1)
      bridges.push(new WeakRef((await handles[kind]?.('ended')) ?? {}));
    // What was last called may be on a stack still.
    expect(await inMemory(bridges, { atMost: 1 })).toBeLessThanOrEqual(1);
    expect(shared.eventNames()).toEqual([]);
  },
);

test.each(['Knex', 'Kysely'])(
  'a %s that was destroyed leaves nothing of what bridges of its name share, where none is open',
  async (kind) => {
    const services: WeakRef<object>[] = [];
    for (let at = 0; at < 10; at += 1) {
      const bridge = (await handles[kind]?.(`ended-${String(at)}`)) as { services: object };
      services.push(new WeakRef(bridge.services));
    }
    expect(await inMemory(services, { atMost: 1 })).toBeLessThanOrEqual(1);
  },
);
