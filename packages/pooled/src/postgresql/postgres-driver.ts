import { ConnectionError, DatasetNotFoundError } from '@changeover/core';
import { connectPostgres } from '@changeover/engines';
import { buildDataset } from '../engine-parts.ts';
import type { EngineDriver, EngineSetting } from '../engine-parts.ts';
import type { PooledDataset } from '../pooled-dataset.ts';
import type { ResourceSource } from '../pool/resource-source.ts';
import type { PooledSession } from '../pooled-session.ts';
import { PostgresPooledSession } from './postgres-pooled-session.ts';

/** How PostgreSQL is used. */
export interface PostgresSetting {
  /** The server gives a statement up after this time, in ms; 0 for none. */
  readonly statementTimeoutMs: number;
}

/** Refusals that don't pass by themselves: a wrong password, a database that isn't there. */
const lasting = /^(28|3D)/;

/** Makes the pools of PostgreSQL datasets. */
export class PostgresDriver implements EngineDriver {
  readonly setting: EngineSetting;
  readonly #postgres: PostgresSetting;

  constructor(setting: EngineSetting, postgres: PostgresSetting) {
    this.setting = setting;
    this.#postgres = postgres;
  }

  open(dataset: string, onEmpty: () => void): PooledDataset {
    return buildDataset(this.setting, dataset, { source: this.#source(dataset) }, onEmpty);
  }

  #source(dataset: string): ResourceSource<PooledSession> {
    const { location: { databaseUrl }, pool } = this.setting;
    const { statementTimeoutMs } = this.#postgres;
    return {
      async open(signal) {
        if (databaseUrl === undefined) {
          throw new ConnectionError('No PostgreSQL server is configured: pass databaseUrl or set DATABASE_URL.', {
            engine: 'postgresql', dataset,
          });
        }
        const session = await connectPostgres({
          url: databaseUrl,
          connectTimeoutMs: pool.connectTimeoutMs,
          ...(dataset === '' ? {} : { dataset }),
          ...(statementTimeoutMs === 0 ? {} : { statementTimeoutMs }),
        });
        if (!signal.aborted) return new PostgresPooledSession(session, dataset);
        await session.close();
        throw signal.reason as Error;
      },
      close: (session) => session.close(),
      cut: (session) => { session.cut(); },
      usable: (session) => session.usable && session.transactionState === 'none',
      validate: async (session) => await session.run({ kind: 'ping' }) === true,
      mayPass: (error) => databaseUrl !== undefined && !(error instanceof DatasetNotFoundError) && !isLasting(error),
    };
  }
}

function isLasting(error: unknown): boolean {
  const cause: unknown = error instanceof ConnectionError ? error.cause : error;
  const code: unknown = typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'code') : undefined;
  return typeof code === 'string' && (lasting.test(code) || code === 'ERR_INVALID_URL');
}
