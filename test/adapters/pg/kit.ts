import { afterAll, afterEach, beforeAll } from '@jest/globals';
import {
  createStaticStageSource,
  defaultShadowSettings,
  type StaticStageSource,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { bridgeOf, silentLogger } from '@changeover/bridge';
import { bridgeClient, type BridgeClientOptions } from '@changeover/adapters/pg';
import pg from 'pg';

/** The stages in their order, and back. */
export const thereAndBack: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled', 'legacy'];

/** The four stages. */
export const stages: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];

const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';

/** A client that goes over a bridge, with what a test asks of both. */
export interface Bridged {
  readonly db: pg.Client;
  readonly raw: pg.Client;
  move(stage: Stage): void;
  /** Counts of the operation `query`, of all stages together. */
  counts(): Readonly<Record<'match' | 'mismatch' | 'raced' | 'inconclusive' | 'calls', number>>;
  idle(): Promise<void>;
}

/** A schema of the test file's own, and clients on it that are closed after each test. */
export function bridgedClients(schema: string, setup: readonly string[]) {
  let admin: pg.Client;
  const open: Bridged[] = [];

  beforeAll(async () => {
    admin = new pg.Client(url);
    await admin.connect();
    await admin.query(`drop schema if exists ${schema} cascade; create schema ${schema}`);
    await admin.query(`set search_path to ${schema}`);
    for (const sql of setup) await admin.query(sql);
  });

  afterEach(async () => {
    for (const { db } of open.splice(0)) {
      await db.end();
      await bridgeOf(db).close();
    }
  });

  afterAll(async () => {
    await admin.query(`drop schema ${schema} cascade`);
    await admin.end();
  });

  const config: pg.ClientConfig = {
    connectionString: url,
    options: `-c search_path=${schema}`,
  };

  return {
    url,
    config,
    admin: (): pg.Client => admin,
    async make(stage: Stage, options: Partial<BridgeClientOptions> = {}): Promise<Bridged> {
      const source: StaticStageSource = createStaticStageSource(
        { db: stage },
        { ...defaultShadowSettings, sampleRate: 1, maxRows: 100_000 },
      );
      const raw = new pg.Client(config);
      const db = bridgeClient(raw, {
        name: 'db',
        stages: source,
        storePath: ':memory:',
        logger: silentLogger,
        ...options,
      });
      await db.connect();
      const bridged: Bridged = {
        db,
        raw,
        move: (to) => {
          source.set({ db: to });
        },
        counts: () => {
          const { totals } = bridgeOf(db).recorder.summary();
          return totals;
        },
        idle: () => bridgeOf(db).idle(),
      };
      open.push(bridged);
      return bridged;
    },
  };
}
