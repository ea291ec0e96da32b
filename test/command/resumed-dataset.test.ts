import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { systemClock, keyTarget } from '@changeover/core';
import { createLogger, createStorageBridge, type StorageBridgeOptions } from 'changeover';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PromotionGate, type PromotionGateOptions, callTarget } from '@changeover/bridge';
import { type Outcome, typeChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

const silent = createLogger({ level: 'silent' });
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-resumed-'));
  writeTestFlags(
    join(folder, 'flags.json'),
    { sqlite: 'shadow' },
    { accept: ['createDataset', 'writeTable'] },
  );
  writeFileSync(
    join(folder, 'gates.json'),
    JSON.stringify({ gates: { shape: ['mismatch == 0', 'comparisons >= 3'] } }),
  );
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

/** A faulty pooled leg: the first row is lost wherever rows are read for a comparison. */
const losesRows: NonNullable<StorageBridgeOptions['decoratePooledLeg']> = (leg) => {
  const { shadow } = leg;
  if (shadow === undefined) throw new Error('the pooled leg has no shadow');
  const read: typeof shadow.read = async (call) =>
    ((await shadow.read(call)) as unknown[]).slice(1);
  return {
    ...leg,
    shadow: {
      admits: () => shadow.admits(),
      read,
      digest: async (call) => digestResult(await read(call), 'rows'),
    },
  };
};

/** What a program does in its life: a bridge, some reads, the end. */
async function program(options: StorageBridgeOptions, prepare: boolean): Promise<void> {
  const bridge = createStorageBridge({
    basePath: folder,
    flagsFile: join(folder, 'flags.json'),
    ledger: false,
    logger: silent,
    ...options,
  });
  try {
    const storage = bridge.storage('sqlite');
    if (prepare) {
      await storage.createDataset('titanic');
      await storage.writeTable('titanic', 'train', [{ id: 1 }, { id: 2 }]);
    }
    await bridge.idle();
    for (let call = 0; call < 5; call += 1) {
      await storage.readTable('titanic', 'train');
      await bridge.idle();
    }
  } finally {
    await bridge.close();
  }
}

test('a mismatch from before a dataset was resumed is listed, and keeps no gate shut', async () => {
  await program({ decoratePooledLeg: losesRows, guardrail: { mode: 'report' } }, true);
  expect(await type('gate', 'sqlite')).toMatchObject({
    code: 99,
    out: expect.stringMatching(/mismatch == 0 says fail/),
  });
  await type('rollback', 'sqlite', 'titanic', '--reason', 'rows are lost');
  expect(await type('gate', 'sqlite')).toMatchObject({ code: 99 });
  await type('resume', 'sqlite', 'titanic', '--reason', 'the fix is out');

  // The hour's earlier counts were of another process, and are left out; nothing has been compared since.
  expect(await type('gate', 'sqlite')).toMatchObject({
    code: 3,
    out: expect.stringMatching(
      /^INCONCLUSIVE {2}On sqlite titanic at shadow, nothing was compared/,
    ),
  });
  await program({}, false);
  expect(await type('gate', 'sqlite')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^PROMOTE/),
  });
  expect(
    await type('promote', 'sqlite', 'titanic', '--reason', 'no mismatch since', '--plan'),
  ).toMatchObject({ code: 0 });

  for (const format of ['text', 'md', 'html']) {
    const { out } = await type('report', '--format', format);
    expect(out).toMatch(/The gates leave \d+ comparisons out, made before keys were resumed/);
    expect(out).toMatch(/sqlite titanic is judged since 20/);
    expect(out).toMatch(/missing.row/);
  }
});

test('a program that steps forward by itself goes by what came after the resumption too', async () => {
  const promoted = join(folder, 'reverse.json');
  writeTestFlags(promoted, { sqlite: 'reverse' });
  const bridge = createStorageBridge({
    basePath: folder,
    flagsFile: promoted,
    ledger: true,
    logger: silent,
  });
  try {
    const accepted = (): string[] => ['createDataset', 'writeTable'];
    const gateOf = (options: Partial<PromotionGateOptions>): PromotionGate =>
      new PromotionGate({
        recorder: () => bridge.recorder,
        clock: systemClock,
        accepted,
        ...options,
      });
    const gatesFile = join(folder, 'gates.json');
    const gate = gateOf({
      gatesFile,
      resumedAt: (backend, dataset) => bridge.ledger.resumedAt(backend, callTarget(dataset)),
    });
    const move = {
      backend: 'sqlite',
      target: keyTarget('titanic'),
      from: 'shadow',
      to: 'reverse',
    } as const;
    // What was recorded is read in slices, between which the program goes on.
    const judged = async (asked: PromotionGate): Promise<ReturnType<PromotionGate['judge']>> => {
      for (;;) {
        const judgement = asked.judge(move);
        if (!judgement.reason.includes('is being read')) return judgement;
        await nextTurn();
      }
    };
    expect(await judged(gate)).toMatchObject({ verdict: 'pass' });
    expect(await judged(gateOf({ gatesFile }))).toMatchObject({ verdict: 'fail' });
    expect(await judged(gateOf({ gatesFile: join(folder, 'none.json') }))).toMatchObject({
      verdict: 'inconclusive',
      reason: expect.stringMatching(/The gates file .*none\.json can't be read/),
    });
  } finally {
    await bridge.close();
  }
});
