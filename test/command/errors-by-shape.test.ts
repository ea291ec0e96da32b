import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { silentLogger } from '@changeover/bridge';
import { bridgeOf, createBridge, read } from 'changeover';
import { typeChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;
let store: string;

/** An object with one `query`, of whose statements one fails. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-errors-'));
  mkdirSync(join(folder, '.changeover'));
  store = join(folder, '.changeover', 'comparisons.sqlite');
  writeTestFlags(join(folder, 'flags.json'), { reports: 'shadow' });
  const query = (sql: string): Promise<object[]> =>
    sql.includes('missing')
      ? Promise.reject(new Error('no such table'))
      : Promise.resolve([{ a: 1 }]);
  const object = createBridge({
    name: 'reports',
    legacy: () => ({ query }),
    pooled: () => ({ query }),
    operations: { query: read.rows({ shape: (sql: string) => sql.replace(/\d+$/, '?') }) },
    storePath: store,
    flagsFile: join(folder, 'flags.json'),
    ledger: false,
    logger: silentLogger,
  });
  for (let id = 0; id < 3; id += 1) {
    await object.query(`select * from present where id = ${String(id)}`);
    await object.query(`select * from missing where id = ${String(id)}`).catch(() => undefined);
  }
  await bridgeOf(object).close();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function type(...args: string[]): Promise<string> {
  const { out, err } = await typeChangeover(args, {
    CHANGEOVER_STORE: store,
    CHANGEOVER_FLAGS: join(folder, 'flags.json'),
  });
  expect(err).toBe('');
  return out;
}

test('explain, status and each report name the statement that fails, and no other', async () => {
  const says = /3 of 3 calls of query: select \* from missing where id = .* failed at shadow/i;
  expect(await type('explain', 'reports', 'all')).toMatch(says);
  for (const format of ['text', 'md']) {
    const report = await type('report', '--format', format);
    expect(report.replaceAll('\\', '')).toMatch(says);
    expect(report).toMatch(/^(## )?Errors$/m);
    expect(report).not.toMatch(/of query: select \* from present .* failed/i);
  }
  const html = await type('report', '--format', 'html');
  expect(html).toContain('Failed calls by shape of call and stage');
  // In the list as well, beside how many failed.
  expect(html).toMatch(/3 calls of 6 failed, 3 of them query: select \* from missing/i);
  const { keys } = JSON.parse(await type('status', '--format', 'json')) as {
    keys: { errors: object[] }[];
  };
  expect(keys[0]?.errors).toEqual([
    {
      operation: 'query',
      shape: expect.stringMatching(/missing/),
      stage: 'shadow',
      calls: 3,
      failed: 3,
    },
  ]);
});

test('a store of the version before is read, with no failed call told apart by its shape', async () => {
  const old = new DatabaseSync(store);
  old.exec('drop table repeat; alter table shape drop column failed; pragma user_version = 8');
  old.close();
  expect(await type('explain', 'reports', 'all')).not.toContain('errors ');
  expect(await type('status')).toMatch(/reports +all/);
});
