import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stages } from 'changeover';
import { programEnvironment } from '../kit/program-environment.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const program = join(import.meta.dirname, 'rejected-calls.ts');
const subjects = 'sqlite duckdb postgresql pg duckdb-connection kysely knex'.split(' ');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-rejected-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test.each(stages)(
  'a call that fails and that nobody handles is told by Node at %s, once, as without a bridge',
  async (stage) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        ...['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning'],
        ...[program, stage, folder, databaseUrl, ...subjects],
      ],
      { env: programEnvironment() },
    );
    const told = JSON.parse(stdout) as Record<string, number>;
    expect(Object.keys(told).length).toBeGreaterThan(subjects.length);
    expect(Object.entries(told).filter(([, times]) => times !== 1)).toEqual([]);
  },
);
