import { afterEach, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Leg } from '@changeover/core';
import { renderReport, reportFormats } from '@changeover/operate/report';
import {
  createLogger,
  createStaticStageSource,
  createStorageBridge,
  engines,
  type ResultSet,
  type Row,
  StatementError,
  type StorageApi,
} from 'changeover';
import { digestResult } from '@changeover/compare';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What must be seen nowhere. It is no word, no number that occurs otherwise, and long enough not to come up by chance. */
const canary = 'kanarienvogel';
const number = 918_273_645_546;

/** The pooled leg with a wrong value in every row, and an error whose text holds values. */
function wrongLeg(leg: Leg<StorageApi>): Leg<StorageApi> {
  const spoil = (rows: readonly Row[]): Row[] =>
    rows.map((row) => ({ ...row, note: `${canary} of the pooled leg`, amount: number + 1 }));
  const wrong = async (
    name: unknown,
    args: readonly unknown[],
    answer: Promise<unknown>,
  ): Promise<unknown> => {
    if (String(args[1]).includes('fails'))
      throw new StatementError(`could not read ${canary} = ${number}`, {
        cause: new Error(canary),
      });
    const value = await answer;
    if (name === 'readTable' && Array.isArray(value)) return spoil(value as Row[]);
    if (name !== 'query') return value;
    const { columns, rows } = value as ResultSet;
    return { columns, rows: spoil(rows) };
  };
  const { shadow } = leg;
  if (shadow === undefined) throw new Error('the pooled leg has no shadow');
  return {
    ...leg,
    api: new Proxy(leg.api, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return (...args: readonly unknown[]) =>
          wrong(name, args, Reflect.apply(method, target, args) as Promise<unknown>);
      },
    }),
    shadow: {
      admits: () => shadow.admits(),
      digest: async (call) =>
        digestResult(await wrong(call.operation, call.args, shadow.read(call)), 'rows'),
      read: (call) => wrong(call.operation, call.args, shadow.read(call)),
    },
  };
}

test.each(
  engines.flatMap(
    (engine) =>
      [
        [engine, 'shadow'],
        [engine, 'reverse'],
      ] as const,
  ),
)('%s at %s: no value of the data is in the log, the store or a report', async (engine, stage) => {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-privacy-'));
  cleanups.push(() => {
    rmSync(basePath, { recursive: true, force: true });
  });
  const lines: string[] = [];
  const logger = createLogger({
    level: 'debug',
    destination: {
      write: (line) => {
        lines.push(line);
      },
    },
  });
  const storePath = join(basePath, 'store', 'comparisons.sqlite');
  mkdirSync(join(basePath, 'store'));
  const bridge = createStorageBridge({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    storePath,
    logger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => stage),
    decoratePooledLeg: wrongLeg,
  });
  const storage = bridge.storage(engine);
  const dataset = `privacy_${process.pid.toString(36)}_${stage}`;
  await storage.createDataset(dataset);
  cleanups.push(async () => {
    await storage.dropDataset(dataset);
    await bridge.close();
  });
  await storage.writeTable(
    dataset,
    't',
    [1, 2, 3].map((id) => ({ id, note: `${canary} ${id}`, amount: number })),
  );
  const mark = engine === 'postgresql' ? '$1' : '?';
  const ignore = (): void => undefined;
  for (let turn = 0; turn < 3; turn += 1) {
    await storage.readTable(dataset, 't', { where: { note: `${canary} 1` } });
    await storage.query(dataset, `SELECT * FROM t WHERE note <> ${mark}`, [canary]);
    await storage.query(dataset, `SELECT * FROM t WHERE note <> '${canary} fails'`).catch(ignore);
    await storage.query(dataset, `SELECT * FROM t WHERE nothing = '${canary}'`).catch(ignore);
    // A write that came before the reads were compared would be a reason for what differs.
    await bridge.idle();
    await storage.execute(dataset, `UPDATE t SET note = ${mark} WHERE id = 1`, [`${canary} 1`]);
    await storage
      .execute(dataset, `INSERT INTO t VALUES ('${canary}', '${canary}', '${canary}', '${canary}')`)
      .catch(ignore);
    await bridge.idle();
  }
  await storage.updateMetadata(dataset, { [canary]: canary });
  await bridge.idle();
  const data = bridge.recorder.summary();
  bridge.recorder.flush();
  expect(data.totals.mismatch).toBeGreaterThan(2);
  expect(lines.length).toBeGreaterThan(2);
  const seen = new Map<string, string>(
    reportFormats.map((format) => [`report as ${format}`, renderReport({ data }, format)]),
  );
  seen.set('log', lines.join(''));
  const store = join(basePath, 'store');
  for (const name of readdirSync(store))
    if (statSync(join(store, name)).isFile())
      seen.set(name, readFileSync(join(store, name), 'latin1'));
  const password = new URL(process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? 'postgres://x:none@y')
    .password;
  for (const secret of [canary, String(number), String(number + 1), password]) {
    expect(
      [...seen]
        .filter(([, text]) => text.includes(secret))
        .map(
          ([where, text]) =>
            `${where}: ${text.slice(Math.max(0, text.indexOf(secret) - 120), text.indexOf(secret) + 40)}`,
        ),
    ).toEqual([]);
  }
});
