import { afterEach } from '@jest/globals';
import { bridgeConnection, type BridgeConnectionOptions } from '@changeover/adapters/duckdb';
import {
  bridgeOf,
  createStaticStageSource,
  defaultShadowSettings,
  silentLogger,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** The four stages. */
export const stages: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];

/** The stages in their order, and back. */
export const thereAndBack: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled', 'legacy'];

/** A connection that goes over a bridge, with what a test asks of both. */
export interface Bridged {
  readonly db: DuckDBConnection;
  /** The handle itself. */
  readonly raw: DuckDBConnection;
  /** A connection to the same instance that no bridge knows of. */
  readonly other: DuckDBConnection;
  move(stage: Stage): void;
  /** Asks until it was compared: a text is learned first, and what is due on a busy event loop may be shed. */
  compared(ask: () => Promise<unknown>): Promise<void>;
  /** Counts of all operations and stages together. */
  counts(): Readonly<Record<'match' | 'mismatch' | 'raced' | 'inconclusive' | 'calls', number>>;
  idle(): Promise<void>;
}

const open: Bridged[] = [];

afterEach(async () => {
  for (const { db, other } of open.splice(0)) {
    await bridgeOf(db).idle();
    db.closeSync();
    other.closeSync();
    await bridgeOf(db).close();
  }
});

/** Makes an instance in memory, and a bridged connection to it. */
export async function make(
  stage: Stage,
  setup: readonly string[] = [],
  options: Partial<BridgeConnectionOptions> = {},
): Promise<Bridged> {
  const instance = await DuckDBInstance.create();
  const first = await instance.connect();
  for (const sql of setup) await first.run(sql);
  first.closeSync();
  return bridgedOn(instance, stage, options);
}

/** Makes a bridged connection to an instance. */
export async function bridgedOn(
  instance: DuckDBInstance,
  stage: Stage,
  options: Partial<BridgeConnectionOptions> = {},
): Promise<Bridged> {
  const other = await instance.connect();
  const raw = await instance.connect();
  const source = createStaticStageSource(
    { db: stage },
    { ...defaultShadowSettings, sampleRate: 1, maxRows: 100_000 },
  );
  const db = bridgeConnection(raw, {
    name: 'db',
    pooled: () => instance.connect(),
    stages: source,
    storePath: ':memory:',
    logger: silentLogger,
    ...options,
  });
  await bridgeOf(db).ready();
  const bridged: Bridged = {
    db,
    raw,
    other,
    move: (to) => {
      source.set({ db: to });
    },
    compared: async (ask) => {
      const judged = (): number => {
        const { match, mismatch, inconclusive } = bridged.counts();
        return match + mismatch + inconclusive;
      };
      for (const before = judged(); judged() === before;) {
        await ask();
        await nextTurn();
        await bridged.idle();
      }
    },
    counts: () => bridgeOf(db).recorder.summary().totals,
    idle: () => bridgeOf(db).idle(),
  };
  open.push(bridged);
  return bridged;
}

/** The rows of a statement. */
export async function rows(
  db: DuckDBConnection,
  sql: string,
  values?: DuckDBValue[],
): Promise<DuckDBValue[][]> {
  return (await db.runAndReadAll(sql, values)).getRows();
}
