import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStorageBridge } from 'changeover';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome, typeChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;

/** `titanic` was read on SQLite at `shadow`, and compared. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-gates-'));
  writeTestFlags(join(folder, 'flags.json'), { sqlite: 'shadow' }, { accept: ['createDataset'] });
  const bridge = createStorageBridge({
    basePath: folder,
    flagsFile: join(folder, 'flags.json'),
    ledger: false,
  });
  try {
    const storage = bridge.storage('sqlite');
    await storage.createDataset('titanic');
    await storage.writeTable('titanic', 'train', [{ id: 1 }]);
    await bridge.idle();
    for (let call = 0; call < 3; call += 1) {
      await storage.readTable('titanic', 'train');
      await bridge.idle();
    }
  } finally {
    await bridge.close();
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function type(...args: string[]): Promise<Outcome> {
  return typeChangeover(args, {
    CHANGEOVER_BASE_PATH: folder,
    CHANGEOVER_FLAGS: join(folder, 'flags.json'),
  });
}

function gates(name: string, lists: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ gates: lists }));
  return path;
}

test('one file decides gate, report and promote alike', async () => {
  const open = gates('open.json', { shape: ['comparisons >= 1'] });
  const shut = gates('shut.json', {
    shape: ['comparisons >= 1'],
    shadow: ['comparisons >= 1000000'],
  });
  expect(await type('gate', 'sqlite', '--gates', open)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^PROMOTE/),
  });
  expect(await type('gate', 'sqlite', '--gates', shut)).toMatchObject({
    code: 99,
    out: expect.stringMatching(/comparisons >= 1000000 says fail/),
  });
  expect((await type('report', '--format', 'md', '--gates', open)).out).toContain('PROMOTE');
  expect((await type('report', '--format', 'md', '--gates', shut)).out).toContain('HOLD');
  const step = ['promote', 'sqlite', 'titanic', '--reason', 'a test', '--plan', '--gates'];
  expect(await type(...step, open)).toMatchObject({ code: 0 });
  expect(await type(...step, shut)).toMatchObject({
    code: 99,
    err: expect.stringMatching(/The gates say HOLD/),
  });
  expect((await type('explain', 'sqlite', 'titanic', '--gates', shut)).out).toContain(
    'gates    HOLD',
  );
});

test('gate writes JUnit, a failure a gate that does not hold', async () => {
  const shut = gates('shut.json', {
    shape: ['comparisons >= 1'],
    shadow: ['comparisons >= 1000000'],
  });
  const { code, out } = await type('gate', 'sqlite', '--format', 'junit', '--gates', shut);
  expect(code).toBe(99);
  expect(out).toContain('tests="1" failures="1"');
  expect(out.match(/<failure /g)).toHaveLength(1);
});

test('gates.json beside the flags file is taken unless another is named', async () => {
  gates('gates.json', { shape: ['comparisons >= 1'] });
  try {
    expect(await type('gate', 'sqlite')).toMatchObject({ code: 0 });
    expect(
      await type('gate', 'sqlite', '--gates', gates('shut.json', { shape: ['comparisons < 1'] })),
    ).toMatchObject({ code: 99 });
  } finally {
    rmSync(join(folder, 'gates.json'));
  }
  expect(await type('gate', 'sqlite')).toMatchObject({ code: 3 });
});

test('a file that is none stops steps forward with its line, and no step back', async () => {
  const bad = gates('bad.json', { shadow: ['comparison >= 1'] });
  for (const line of [
    ['gate'],
    ['report'],
    ['promote', 'sqlite', 'titanic', '--reason', 'a test'],
  ]) {
    expect(await type(...line, '--gates', bad)).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /bad\.json, line 1: there is no figure "comparison"; known: comparisons/,
      ),
    });
  }
  expect((await type('explain', 'sqlite', 'titanic', '--gates', bad)).out).toMatch(
    /INCONCLUSIVE: .*there is no figure/,
  );
  expect(
    await type('rollback', 'sqlite', 'titanic', '--reason', 'a test', '--plan', '--gates', bad),
  ).toMatchObject({ code: 0 });
  expect(readFileSync(bad, 'utf8')).toContain('comparison >=');
});
