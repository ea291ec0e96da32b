import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRecorder, silentLogger } from '@changeover/bridge';
import { engines } from 'changeover';
import { writeFlags } from '../../scripts/demo/flags-file.ts';
import { writePlaceFile } from '../../scripts/demo/place-file.ts';
import { root } from '../architecture/source-files.ts';
import { run, typeChangeover } from '../command/run-changeover.ts';

let folder: string;

/** What npm start leaves, but for its rows: all engines came to pooled, and one was rolled back. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-commands-'));
  writeFlags(join(folder, 'flags.json'), {
    sqlite: 'pooled',
    duckdb: 'pooled',
    postgresql: 'legacy',
  });
  const recorder = openRecorder({
    path: join(folder, 'comparisons.sqlite'),
    run: 'demo',
    logger: silentLogger,
  });
  for (const engine of engines) {
    const cell = recorder.cell(engine, 'demo_flights', 'readTable', 'shadow');
    cell.calls += 3;
    cell.eligible += 3;
    cell.sampled += 3;
    for (let call = 0; call < 3; call += 1) cell.countVerdict('match');
  }
  recorder.close();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The environment of a shell that has read the file, as a shell reads it. */
async function environment(): Promise<Record<string, string>> {
  const { code, out } = await run('sh', ['-c', `. ${writePlaceFile(folder)} && env`]);
  expect(code).toBe(0);
  return Object.fromEntries(
    [...out.matchAll(/^(CHANGEOVER_\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
}

function linesOf(page: string): string[][] {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/^npx changeover (.*)$/gm)].map(
    ([, line = '']) =>
      [...line.replace(/ +#.*$/, '').matchAll(/"([^"]*)"|\S+/g)].map(
        ([word, quoted]) => quoted ?? word,
      ),
  );
}

test.each(['README.md', 'docs/operate.md'])(
  'each command that %s shows works on what npm start leaves',
  async (page) => {
    const env = await environment();
    const lines = linesOf(page);
    expect(lines.length).toBeGreaterThan(4);
    for (const words of lines) {
      // It goes on until it is stopped; test/console opens it.
      if (words[0] === 'console') continue;
      const { code, err } = await typeChangeover(words, env);
      expect([words, code, err]).toEqual([words, 0, '']);
    }
  },
);
