import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { adopt } from '@changeover/adopt';
import { stages } from '@changeover/core';
import pg from 'pg';
import { root } from '../architecture/source-files.ts';
import { testFlags } from '../command/write-test-flags.ts';
import { followFinish } from './follow-finish.ts';
import { copyProject, type ProjectCopy } from './open-project.ts';

const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const schema = 'changeover_adopt_express';
let admin: pg.Client;
let project: ProjectCopy;

beforeAll(async () => {
  admin = new pg.Client(url);
  await admin.connect();
  await admin.query(`drop schema if exists ${schema} cascade; create schema ${schema}`);
  await admin.query(
    `create table ${schema}.changeover_example_orders (number bigserial primary key, reference text not null, item text not null)`,
  );
  project = copyProject('express');
  // The application and its callers are the example's: only what makes the handle differs.
  for (const file of ['application.cjs', 'load.ts'])
    cpSync(join(root, 'examples/express', file), join(project.folder, file));
  for (const stage of stages)
    writeFileSync(join(project.folder, `${stage}.json`), JSON.stringify(testFlags({ db: stage })));
});

afterAll(async () => {
  await admin.query(`drop schema ${schema} cascade`);
  await admin.end();
  project.remove();
});

interface Served {
  readonly seen: Readonly<Record<string, unknown>>;
  readonly acknowledged: readonly string[];
}

/** Serves callers over HTTP at the stages in turn. Each order that was acknowledged must be there once, and no other. */
async function serve(through: readonly string[]): Promise<Served['seen']> {
  await admin.query(`truncate ${schema}.changeover_example_orders`);
  const { folder } = project;
  const options = ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning'];
  const { stdout } = await promisify(execFile)(process.execPath, [...options, 'main.ts'], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      DATABASE_URL: `${url}?options=-c%20search_path%3D${schema}`,
      STAGES: through.join(' '),
      CHANGEOVER_FLAGS: join(folder, 'flags.json'),
      CHANGEOVER_LEDGER: 'false',
      CHANGEOVER_STORE: join(folder, 'store.sqlite'),
      CHANGEOVER_LOG: 'silent',
    },
  });
  const { seen, acknowledged } = JSON.parse(stdout) as Served;
  const { rows } = await admin.query<{ reference: string }>(
    `select reference from ${schema}.changeover_example_orders`,
  );
  expect(acknowledged.length).toBeGreaterThan(0);
  expect(rows.map(({ reference }) => reference).sort()).toEqual([...acknowledged].sort());
  return seen;
}

test('a server on Express over a pg.Client is adopted, moved under load to pooled and back, and finished', async () => {
  const handle = join(project.folder, 'database.cjs');
  expect(await serve([])).toEqual({});

  const before = readFileSync(handle, 'utf8');
  expect(adopt(handle)).toMatchObject({ outcome: 'adopted', shape: 'handle', name: 'db' });
  expect(adopt(handle).outcome).toBe('already');
  expect(await serve([...stages, 'legacy'])).toEqual({
    legacy: 'served',
    shadow: 'served',
    reverse: 'served',
    pooled: 'served',
    mismatch: 0,
  });

  const notes = followFinish(project.folder);
  // A pool takes options alone: the text that a client takes would be taken for none.
  expect(readFileSync(handle, 'utf8').replace(/\n+/g, '\n')).toBe(
    before
      .replace(
        'new pg.Client(process.env.DATABASE_URL)',
        'new pg.Pool({ connectionString: process.env.DATABASE_URL })',
      )
      .replace(/\n+/g, '\n'),
  );
  expect(notes.join()).toContain('delete the call of connect()');
  const main = join(project.folder, 'main.ts');
  writeFileSync(main, readFileSync(main, 'utf8').replace('await db.connect();\n', ''));
  expect(await serve([])).toEqual({});
}, 120_000);
