import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Leg } from '@changeover/core';
import { createStorageBridge, type StorageApi } from 'changeover';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@changeover/bridge';
import { runChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-rollback-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const callers = 8;
/** Calls that have to be answered before and after the command. */
const enough = 300;

// How long it takes, with both stores and with processes of their own, is measured in test/processes.
test('once the rollback is typed and the ledger was read again, no call that begins goes to the pooled leg, and none fails', async () => {
  const flags = join(folder, 'flags.json');
  writeTestFlags(flags, { sqlite: 'pooled' });
  let pooledCalls = 0;
  const counting = (leg: Leg<StorageApi>): Leg<StorageApi> => ({
    ...leg,
    api: new Proxy(leg.api, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        return typeof value !== 'function'
          ? value
          : (...args: unknown[]) => {
              pooledCalls += 1;
              return (value as (...given: unknown[]) => unknown).apply(target, args);
            };
      },
    }),
  });
  const bridge = createStorageBridge({
    basePath: folder,
    flagsFile: flags,
    ledger: false,
    logger: silentLogger,
    decoratePooledLeg: counting,
  });
  try {
    const storage = bridge.storage('sqlite');
    await storage.createDataset('titanic');
    await storage.writeTable('titanic', 'train', [{ id: 'first' }]);
    const failures: unknown[] = [];
    const current: Promise<unknown>[] = [];
    let [answered, written, ending] = [0, 1, false];
    const call = async (caller: number, turn: number): Promise<void> => {
      try {
        if (turn % 4 === 0) {
          await storage.execute('titanic', 'insert into train (id) values (?)', [
            `${String(caller)}-${String(turn)}`,
          ]);
          written += 1;
        } else await storage.readTable('titanic', 'train', { limit: 5 });
        answered += 1;
      } catch (error) {
        failures.push(error);
      }
    };
    const load = Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let turn = 0; !ending; turn += 1) {
          current[caller] = call(caller, turn);
          await current[caller];
          await new Promise<void>((resolve) => {
            setImmediate(resolve);
          });
        }
      }),
    );
    const more = async (): Promise<void> => {
      const until = answered + enough;
      while (answered < until && failures.length === 0)
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
    };
    try {
      await more();
      expect(pooledCalls).toBeGreaterThan(enough / 2);
      // The command knows the keys that are in the store, which a program writes to each second.
      bridge.recorder.flush();
      const { code, err } = await runChangeover(
        ['rollback', 'sqlite', 'titanic', '--reason', 'drill'],
        { CHANGEOVER_BASE_PATH: folder, CHANGEOVER_FLAGS: flags },
      );
      expect({ code, err }).toEqual({ code: 0, err: '' });
      // One that was under way may have begun before the command's end; what a running program does each second.
      await bridge.ledger.review();
      await bridge.ledger.review();
      // A call keeps the stage that it began with.
      await Promise.all(current);
      const before = pooledCalls;
      await more();
      expect(pooledCalls).toBe(before);
    } finally {
      ending = true;
      await load;
    }
    expect(failures).toEqual([]);
    expect(
      await storage.query(
        'titanic',
        'select count(*) as rows, count(distinct id) as names from train',
      ),
    ).toMatchObject({ rows: [{ rows: written, names: written }] });
  } finally {
    await bridge.close();
  }
});
