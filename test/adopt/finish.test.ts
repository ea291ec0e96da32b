import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedgerStore, parseSettings, silentLogger } from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { wiringIn } from '../../packages/operate/src/command/bridge-wiring.ts';
import { typeChangeover } from '../command/run-changeover.ts';
import { testFlags } from '../command/write-test-flags.ts';

const dayMs = 86_400_000;
let folder = '';
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A project with a bridge, whose key went to a stage so many days ago. */
async function project(to: Stage | undefined, daysAgo: number, source = ''): Promise<string> {
  folder = mkdtempSync(join(tmpdir(), 'changeover-finish-'));
  writeFileSync(join(folder, 'flags.json'), JSON.stringify(testFlags({ notes: 'pooled' })));
  writeFileSync(
    join(folder, 'notes.ts'),
    `import Other from 'other';
import { createBridge, read } from 'changeover';

export const notes = createBridge({
  name: 'notes', // a comment, with a bracket (
  legacy: () => new Notes('a)'),${source}
  pooled: () => new PooledNotes({ size: 4 }),
  operations: { list: read() },
});
`,
  );
  const place = parseSettings({ storePath: join(folder, 'store.sqlite') }, {}, folder);
  const store = openLedgerStore(place, silentLogger);
  if (to !== undefined)
    await store.append([
      {
        at: Date.now() - daysAgo * dayMs,
        backend: 'notes',
        dataset: 'all',
        from: 'reverse',
        to,
        held: false,
        who: 'flag',
        reason: 'the gates hold',
        revision: '1',
        previous: 0,
      },
    ]);
  await store.close();
  return folder;
}

function finish(...more: readonly string[]) {
  const place = ['--flags', join(folder, 'flags.json'), '--store', join(folder, 'store.sqlite')];
  return typeChangeover(['finish', ...place, '--source', folder, '--format', 'json', ...more]);
}

test('a key that stood at pooled long enough is ready, and the pooled leg takes the place of the bridge', async () => {
  await project('pooled', 8);
  const { code, out } = await finish();
  const answer = JSON.parse(out) as { ready: string; wiring: { remove: string; write: string }[] };
  expect([answer.ready, code]).toEqual(['ready', 0]);
  expect(answer.wiring.map(({ write }) => write)).toEqual(['', 'new PooledNotes({ size: 4 })']);
  expect(answer.wiring[0]?.remove).toBe("import { createBridge, read } from 'changeover';");
});

test('a key that stood there too short a time is not ready', async () => {
  await project('pooled', 8);
  expect((await finish('--after', '9d')).code).toBe(99);
  expect((await finish('--after', '190h')).code).toBe(0);
});

test('a key that is not at pooled, and a TODO in a bridge, are not ready', async () => {
  await project('shadow', 80);
  expect((await finish()).code).toBe(99);
  rmSync(folder, { recursive: true });
  await project('pooled', 80, '\n  // TODO: the pool');
  expect((await finish()).code).toBe(99);
});

test('where nothing was seen it can not be told, and a time that is none is refused', async () => {
  await project(undefined, 0);
  expect((await finish()).code).toBe(3);
  expect((await finish('--after', 'soon')).code).toBe(2);
});

test.each(['() => instance.connect()', 'async () => instance.connect()'])(
  'in the place of a connection of DuckDB stands one that is waited for: %s',
  (pooled) => {
    const source = `import { bridgeConnection } from 'changeover/duckdb';\nconst db = bridgeConnection(c, { name: 'db', pooled: ${pooled} });\n`;
    expect(wiringIn('db.ts', source).wiring.at(-1)?.write).toBe('await instance.connect()');
  },
);

describe('in the place of a client stands a pool, which takes options alone', () => {
  test.each([
    ['new pg.Client()', 'new pg.Pool()'],
    ['new Client({ host: "db" })', 'new Pool({ host: "db" })'],
    ['new pg.Client(process.env.URL)', 'new pg.Pool({ connectionString: process.env.URL })'],
    [
      'new pg.Client(`postgres://${host}/db`)',
      'new pg.Pool({ connectionString: `postgres://${host}/db` })',
    ],
    ['new pg.Client(settings)', 'new pg.Pool(settings)'],
  ])('%s becomes %s', (handle, pool) => {
    const [, made] = wired(`export const db = bridgeClient(${handle}, { name: 'db' });`);
    expect(made?.write).toBe(pool);
    expect(made?.note).toContain('delete the call of connect()');
    expect(made?.note?.includes('{ connectionString: settings }')).toBe(
      handle.includes('settings'),
    );
  });

  test('a pool that was handed in is written, and what it does not take is told', () => {
    const [, made] = wired("bridgeClient(client, { name: 'db', pooled: () => pool });");
    expect(made?.write).toBe('pool');
    expect(made?.note).toContain('BEGIN');
  });

  function wired(source: string) {
    return wiringIn('db.ts', `import { bridgeClient } from 'changeover/pg';\n${source}\n`).wiring;
  }
});
