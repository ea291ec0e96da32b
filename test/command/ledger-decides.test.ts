import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createStorageBridge, type StorageBridge } from 'changeover';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { typeChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;
let flags: string;
let bridge: StorageBridge;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-decides-'));
  flags = join(folder, 'flags.json');
  writeTestFlags(flags, { sqlite: 'pooled' });
  bridge = createStorageBridge({ basePath: folder, flagsFile: flags });
});

afterEach(async () => {
  await bridge.close();
  rmSync(folder, { recursive: true, force: true });
});

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await typeChangeover([...args, '--format', 'json'], {
    CHANGEOVER_BASE_PATH: folder,
    CHANGEOVER_FLAGS: flags,
  });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Record<string, unknown>;
}

function stage(): string {
  return bridge.guardrail.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'readTable' })
    .stage;
}

/** Calls until the dataset has been seen on that stage by a caller. */
async function callUntil(wanted: string): Promise<void> {
  const storage = bridge.storage('sqlite');
  while (stage() !== wanted) {
    await storage.readTable('titanic', 'train');
    await bridge.ledger.review();
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

describe('where the ledger decides over steps forward', () => {
  test('a flag that asks for pooled gets one stage, then the gates; explain says why, and promote goes past them', async () => {
    // Before anything is awaited: the ledger's own review may take the first step at any time after.
    expect(stage()).toBe('legacy');
    await bridge.storage('sqlite').createDataset('titanic');
    await bridge.storage('sqlite').writeTable('titanic', 'train', [{ id: 1 }]);
    await callUntil('shadow');
    // Too few comparisons to pass a gate, however often it is asked.
    for (let review = 0; review < 5; review += 1) await bridge.ledger.review();
    expect(stage()).toBe('shadow');

    expect(await json('explain', 'sqlite', 'titanic')).toMatchObject({
      stage: 'shadow',
      by: 'ledger',
      flag: { stage: 'pooled' },
      gates: { decision: 'INCONCLUSIVE' },
      ledger: { decidesForward: true, line: { who: 'flag', from: 'legacy', to: 'shadow' } },
      why: 'the ledger has it at shadow (it stays there until the gates let it step forward); the flag asks for pooled: the flag changeover.sqlite assigns it the variant 3-pooled (its default strategy)',
    });
    await json('promote', 'sqlite', 'titanic', '--force', '--reason', 'drill', '--who', 'ada');
    await callUntil('reverse');
    expect(await json('history', 'sqlite', 'titanic')).toMatchObject({
      lines: [
        { from: 'legacy', to: 'shadow' },
        { from: 'shadow', to: 'reverse', who: 'ada', reason: 'drill (forced)' },
      ],
    });

    await json('rollback', 'sqlite', 'titanic', '--reason', 'drill', '--who', 'ada');
    await callUntil('legacy');
    await json('resume', 'sqlite', 'titanic', '--reason', 'drill', '--who', 'ada');
    // From the first stage again, not back to where it was.
    await callUntil('shadow');
    const { lines } = (await json('history', 'sqlite', 'titanic')) as {
      lines: { from: string; to: string }[];
    };
    expect(lines.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'legacy shadow',
      'shadow reverse',
      'reverse legacy',
      'legacy shadow',
    ]);
  });
});
