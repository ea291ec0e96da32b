import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  createStaticStageSource,
  createStorageBridge,
  type Stage,
  type StorageApi,
  type StorageBridge,
} from 'changeover';
import { counted } from '../kit/counted.ts';
import { answerOrCode, ofEachStage } from '../guarantees/four-stages.ts';
import { notRun } from '../kit/not-run.ts';
import { pgbouncerProgram, type RunningPgbouncer, startPgbouncer } from '../kit/pgbouncer.ts';

// A program whose rows are told apart by a tenant's setting, as row-level security does it. Each caller gets its tenant's rows, and no
// other's, however the tenant is set, at each stage and on the way back.

const direct = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const role = 'changeover_tenants';
const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const there: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];
const back: readonly Stage[] = ['reverse', 'shadow', 'legacy'];
let admin: pg.Client;
let number = 0;

beforeAll(async () => {
  admin = new pg.Client(direct);
  await admin.connect();
  await admin.query(
    `DO $$ BEGIN CREATE ROLE ${role} LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
  );
});
afterAll(async () => {
  await admin.end();
});

/** A dataset of two tenants' notes, which the program's role may read as its tenant alone. */
async function makeNotes(): Promise<string> {
  number += 1;
  const dataset = `tenants_${process.pid.toString(36)}_${String(number)}`;
  const schema = `"mdm_${dataset}"`;
  await admin.query(`
    CREATE SCHEMA ${schema};
    SET search_path TO ${schema};
    CREATE TABLE notes (tenant text, body text);
    INSERT INTO notes VALUES ('a', 'of a'), ('b', 'of b');
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant', true));
    CREATE FUNCTION set_tenant(x text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', x, false); END $$;
    RESET search_path;
    GRANT USAGE ON SCHEMA ${schema} TO ${role};
    GRANT SELECT, INSERT ON ${schema}.notes TO ${role}`);
  return dataset;
}

interface Program {
  readonly bridge: StorageBridge;
  readonly storage: StorageApi;
  readonly dataset: string;
  setStage(stage: Stage): void;
}

async function withProgram<T>(
  url: string,
  work: (program: Program) => Promise<T>,
  stage: Stage = 'legacy',
): Promise<T> {
  const dataset = await makeNotes();
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-tenants-'));
  const asRole = new URL(url);
  asRole.username = role;
  asRole.password = 'x';
  const settings = { rehearsalBudgetMs: 2_000 };
  const source = createStaticStageSource(() => stage, settings);
  const bridge = createStorageBridge({
    basePath,
    databaseUrl: asRole.href,
    storePath: ':memory:',
    logger: quiet,
    stages: source,
    guardrail: { mode: 'report' },
  });
  const setStage = (next: Stage): void => {
    source.set(() => next, settings);
  };
  try {
    return await work({ bridge, storage: bridge.storage('postgresql'), dataset, setStage });
  } finally {
    await bridge.close({ deadlineMs: 2_000 });
    await admin.query(`DROP SCHEMA "mdm_${dataset}" CASCADE`);
    rmSync(basePath, { recursive: true, force: true });
  }
}

interface Reads {
  query(sql: string): Promise<{ readonly rows: readonly object[] }>;
}
const bodies = async (reads: Reads): Promise<unknown[]> =>
  (await reads.query('SELECT body FROM notes ORDER BY body')).rows.flatMap(
    (row) => Object.values(row) as unknown[],
  );
const tenTimes = async ({ storage, dataset }: Program): Promise<unknown[]> => {
  const on = { query: (sql: string) => storage.query(dataset, sql) };
  const seen = await Promise.all(Array.from({ length: 10 }, () => bodies(on)));
  return [...new Set(seen.map((each) => each.join('+')))];
};
const mismatches = ({ bridge }: Program): number => counted(bridge.recorder, 'mismatch');

/** How a tenant is set for all that follows. */
const lasting: Readonly<Record<string, string>> = {
  'set_config(…, false)': "SELECT set_config('app.tenant', 'a', false)",
  'a function of the program’s own': "SELECT set_tenant('a')",
};
/** Both tenants at once, each in a transaction or a session of its own. */
const scoped: Readonly<Record<string, (program: Program, tenant: string) => Promise<unknown[]>>> = {
  'SET LOCAL in a transaction': ({ storage, dataset }, tenant) =>
    storage.transaction(dataset, async (transaction) => {
      await transaction.execute(`SET LOCAL app.tenant = '${tenant}'`);
      return await bodies(transaction);
    }),
  'set_config(…, true) in a transaction': ({ storage, dataset }, tenant) =>
    storage.transaction(dataset, async (transaction) => {
      await transaction.query("SELECT set_config('app.tenant', $1, true)", [tenant]);
      return await bodies(transaction);
    }),
};
const inSession: typeof scoped = {
  'SET in a session': ({ storage, dataset }, tenant) =>
    storage.session(dataset, async (session) => {
      await session.execute(`SET app.tenant = '${tenant}'`);
      return await bodies(session);
    }),
  'a function of the program’s own in a session': ({ storage, dataset }, tenant) =>
    storage.session(dataset, async (session) => {
      await session.query('SELECT set_tenant($1)', [tenant]);
      return await bodies(session);
    }),
};

/** Both tenants' callers, five at once of each. */
/** At each stage, there and back, each tenant sees its own rows, and who sets none sees none. */
async function askThereAndBack(
  program: Program,
  ask: (program: Program, tenant: string) => Promise<unknown[]>,
): Promise<void> {
  for (const stage of [...there, ...back]) {
    program.setStage(stage);
    expect([stage, await bothTenants(program, ask)]).toEqual([stage, ['a: of a', 'b: of b']]);
    expect([stage, await tenTimes(program)]).toEqual([stage, ['']]);
    await program.bridge.idle();
  }
  expect(mismatches(program)).toBe(0);
}

async function bothTenants(
  program: Program,
  ask: (program: Program, tenant: string) => Promise<unknown[]>,
): Promise<unknown[]> {
  const seen = await Promise.all(
    Array.from({ length: 10 }, async (_, at) => {
      const tenant = at % 2 === 0 ? 'a' : 'b';
      return `${tenant}: ${(await ask(program, tenant)).join('+')}`;
    }),
  );
  return [...new Set(seen)].sort();
}

describe('directly', () => {
  test.each(Object.entries(lasting))(
    'a tenant that is set by %s is every later call’s, at each stage',
    async (_name, set) => {
      const found = await ofEachStage((stage) =>
        withProgram(
          direct,
          async (program) => {
            await program.storage.query(program.dataset, set);
            const seen = await tenTimes(program);
            await program.bridge.idle();
            return [seen, await tenTimes(program), mismatches(program)];
          },
          stage,
        ),
      );
      const expected = [['of a'], ['of a'], 0];
      expect(found).toEqual(Object.fromEntries(there.map((stage) => [stage, expected])));
    },
  );

  test.each(Object.entries(lasting))(
    'a tenant that is set by %s at each stage anew is each stage’s, there and back',
    async (_name, set) => {
      await withProgram(direct, async (program) => {
        for (const stage of [...there, ...back]) {
          program.setStage(stage);
          await program.storage.query(program.dataset, set);
          expect([stage, await tenTimes(program)]).toEqual([stage, ['of a']]);
          await program.bridge.idle();
        }
        expect(mismatches(program)).toBe(0);
      });
    },
  );

  test.each(Object.entries({ ...scoped, ...inSession }))(
    'by %s each of two tenants gets its own rows, and nobody else any, there and back',
    async (_name, ask) => {
      await withProgram(direct, (program) => askThereAndBack(program, ask));
    },
  );
});

function throughPgbouncer(): void {
  let pooler: RunningPgbouncer;
  beforeAll(async () => {
    const url = new URL(direct);
    url.username = role;
    url.password = 'x';
    pooler = await startPgbouncer({ url: url.href, settings: { default_pool_size: '4' } });
  });
  afterAll(async () => {
    await pooler.stop();
  });

  test.each(Object.entries(scoped))(
    'by %s each of two tenants gets its own rows, and nobody else any, there and back',
    async (_name, ask) => {
      await withProgram(pooler.url, (program) => askThereAndBack(program, ask));
    },
  );

  test('what would stay on the pooler’s connection is refused, in a session as well, and nothing of it is seen', async () => {
    await withProgram(pooler.url, async (program) => {
      const { storage, dataset } = program;
      for (const stage of [...there, ...back]) {
        program.setStage(stage);
        const set = lasting['set_config(…, false)'] ?? '';
        const told = [
          await answerOrCode(() => storage.query(dataset, set)),
          await answerOrCode(() => storage.session(dataset, (session) => session.query(set))),
          await answerOrCode(() =>
            storage.session(dataset, (session) => session.execute("SET app.tenant = 'a'")),
          ),
          await tenTimes(program),
        ];
        const refused = { error: 'SESSION_STATE' };
        expect([stage, told]).toEqual([stage, [refused, refused, refused, ['']]]);
      }
    });
  });
}

if (pgbouncerProgram() === undefined) {
  notRun('PgBouncer', [...Object.keys(scoped), 'what would stay on the pooler’s connection']);
} else {
  describe('through PgBouncer by transaction', throughPgbouncer);
}
