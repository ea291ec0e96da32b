import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import { type LedgerStore, openLedgerStore, silentLogger } from '@changeover/bridge';
import { writeTestFlags } from '../../../../test/command/write-test-flags.ts';
import { Migration, openMigration, placeOf } from './migration.ts';
import { promote, type PromoteOptions } from './promote.ts';
import { openTerminal } from './terminal.ts';

let folder: string;
let flags: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-promote-'));
  flags = join(folder, 'flags.json');
  writeTestFlags(flags, { sqlite: 'legacy' });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A step of the key that somebody else writes. */
interface OthersStep {
  readonly from: Stage;
  readonly to: Stage;
  readonly who: string;
}

async function append(
  store: LedgerStore,
  { from, to, who }: OthersStep,
  previous: number,
): Promise<void> {
  const reason = 'as it was found';
  const line = { at: Date.now(), backend: 'sqlite', dataset: 'titanic', held: false, reason };
  await store.append([{ ...line, from, to, who, revision: '', previous }]);
}

/** What somebody else writes comes between the change of the flags and that of the ledger. */
class Interrupted extends Migration {
  others: OthersStep | undefined;

  override async withLedgerStore<T>(use: (store: LedgerStore) => Promise<T>): Promise<T> {
    const step = this.others;
    this.others = undefined;
    return super.withLedgerStore(async (store) => {
      if (step !== undefined)
        await append(store, step, (await store.read(0)).at(-1)?.sequence ?? 0);
      return use(store);
    });
  }
}

/** Promotes the key from `legacy` while somebody else moves it: what the ledger says in the end. */
async function promoteMeanwhile(
  others: OthersStep,
  options: Partial<PromoteOptions> = {},
): Promise<readonly string[]> {
  const place = placeOf({ basePath: folder, flags }, {});
  mkdirSync(dirname(place.storePath), { recursive: true });
  const store = openLedgerStore(place, silentLogger);
  await append(store, { from: 'legacy', to: 'legacy', who: 'ada' }, 0);
  const opened = await openMigration(place);
  const migration = new Interrupted(opened);
  migration.others = others;
  const silent = { write: () => true };
  const terminal = openTerminal({ stdout: silent, stderr: silent, env: {} }, 'json');
  try {
    await promote(
      migration,
      terminal,
      { backend: 'sqlite', key: 'titanic' },
      { who: 'ada', reason: 'a drill', plan: false, force: false, ...options },
    );
    const lines = await store.read(0);
    return lines.slice(1).map(({ from, to, who, reason }) => `${from} ${to} ${who}: ${reason}`);
  } finally {
    await opened.flags.close();
    await store.close();
  }
}

describe('promote, while a running program follows the flag that it has written', () => {
  test('that is the same step: who asked for it, and why, is in the ledger all the same', async () => {
    expect(await promoteMeanwhile({ from: 'legacy', to: 'shadow', who: 'flag' })).toEqual([
      'legacy shadow flag: as it was found',
      'shadow shadow ada: a drill',
    ]);
  });

  test('a forced one over several stages goes on from where the program has come to', async () => {
    const beside = { from: 'legacy', to: 'shadow', who: 'flag' } as const;
    expect(await promoteMeanwhile(beside, { to: 'pooled', force: true })).toEqual([
      'legacy shadow flag: as it was found',
      'shadow pooled ada: a drill (forced)',
    ]);
  });

  test.each<[string, OthersStep]>([
    ['by a person', { from: 'legacy', to: 'shadow', who: 'eve' }],
    ['further than it was asked for', { from: 'legacy', to: 'reverse', who: 'flag' }],
  ])('a step %s is a later word', async (_how, step) => {
    await expect(promoteMeanwhile(step)).rejects.toThrow(
      `sqlite titanic was moved to ${step.to} meanwhile by ${step.who}: as it was found. It stays there, though its flag asks for shadow now.`,
    );
    expect(readFileSync(flags, 'utf8')).toContain('titanic');
  });
});
