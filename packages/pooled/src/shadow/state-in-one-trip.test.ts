import net from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type ShadowCall, type ShadowLeg, silentLogger } from '@changeover/core';
import type { StorageBackend } from '@changeover/engines/api';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

let basePath: string;
let factory: StorageBackendFactory;
let api: StorageBackend;
let shadow: ShadowLeg;
let dataset: string;
const { signal } = new AbortController();

beforeEach(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-trip-'));
  dataset = `trip_${process.pid.toString(36)}`;
  factory = new StorageBackendFactory({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    logger: silentLogger,
  });
  const leg = factory.leg('postgresql');
  if (leg.shadow === undefined) throw new Error('the pooled leg has shadow calls');
  ({ api, shadow } = { api: leg.api, shadow: leg.shadow });
  await api.createDataset(dataset);
  await api.writeTable(dataset, 't', [{ id: 1 }]);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await api.dropDataset(dataset);
  await factory.close();
  rmSync(basePath, { recursive: true, force: true });
});

function query(sql: string, onState?: ShadowCall['onState']): ShadowCall {
  return { operation: 'query', args: [dataset, sql], signal, onState };
}

/** What is sent to servers meanwhile, as text. */
async function sentWhile(work: () => Promise<unknown>): Promise<string> {
  const { mock } = jest.spyOn(net.Socket.prototype, 'write');
  await work();
  const sent = mock.calls.map(([bytes]) => Buffer.from(bytes as Uint8Array).toString('latin1'));
  return sent.join('\n');
}

test('a digest tells the state that its read began in, as it is told by itself', async () => {
  const states: string[] = [];
  const call = query('SELECT id FROM t', (state) => states.push(state));
  const before = await shadow.state?.(dataset, signal);
  expect(await shadow.digest(call)).toEqual(await shadow.digest(query('SELECT id FROM t')));
  await api.execute(dataset, 'INSERT INTO t VALUES (2)');
  await shadow.digest(call);
  expect([before, ...states].map((state) => /^\d+:\d+:/.test(state ?? ''))).toEqual([
    true,
    true,
    true,
  ]);
  expect(states[1]).not.toBe(states[0]);
  // The state is the mark, and not asked for twice.
  expect(shadow.mark).toBeUndefined();
});

test('of a read that failed no state is told', async () => {
  const told = jest.fn();
  await expect(shadow.digest(query('SELECT nothing FROM t', told))).rejects.toThrow();
  expect(told).not.toHaveBeenCalled();
});

test('a connection is cleaned after a read, and not where nothing but its state was asked', async () => {
  const asked = await sentWhile(async () => {
    for (let time = 0; time < 3; time += 1) await shadow.state?.(dataset, signal);
  });
  expect(asked).not.toContain('CLOSE ALL');
  // No word of the read tells of it.
  await api.execute(dataset, "CREATE VIEW v AS SELECT set_config('work_mem', '65kB', false)");
  await shadow.digest(query('SELECT * FROM v', () => undefined));
  // More than there are connections for comparison.
  for (let time = 0; time < 10; time += 1)
    expect(await shadow.read(query("SELECT current_setting('work_mem') AS left"))).not.toEqual(
      expect.objectContaining({ rows: [{ left: '65kB' }] }),
    );
});
