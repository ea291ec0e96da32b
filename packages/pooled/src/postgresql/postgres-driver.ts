import { ConnectionError, DatasetNotFoundError } from '@changeover/engines/api';
import { connectPostgres, keepsSession, type PostgresSession } from '@changeover/engines';
import { buildDataset } from '../engine-parts.ts';
import type { EngineDriver, EngineSetting } from '../engine-parts.ts';
import type { PooledDataset } from '../dataset/pooled-dataset.ts';
import type { ResourceSource, Sharing } from '../pool/resource-source.ts';
import type { PooledSession } from '../pooled-session.ts';
import { Handover, type OpenedSession } from './handover.ts';
import { PostgresPooledSession } from './postgres-pooled-session.ts';
import { ReadCosts } from './read-costs.ts';

/** How PostgreSQL is used. */
export interface PostgresSetting {
  /** The server gives a statement up after this time, in ms; 0 for none. */
  readonly statementTimeoutMs: number;
  /** Reads that take the server less on the average share connections; 0 for none. */
  readonly shortReadMs: number;
}

/** Refusals that don't pass by themselves: a wrong password, a database that isn't there. */
const lasting = /^(28|3D)/;

/**
 * Short reads are sent ahead on connections that do nothing else. Ten connections make 2.2 times as many point reads for 100 callers
 * that way. With 10 callers, two or three connections make a third more than ten do, because each write to a socket costs as much as
 * the read; but only as long as nobody waits for the others to speak of.
 */
function sharingOf(shortReadMs: number): Sharing {
  return {
    atOnce: 16,
    inAll: 256,
    freelyMs: shortReadMs / 8,
    mostMs: shortReadMs * 2.5,
    stallMs: 50,
  };
}

/** Makes the pools of PostgreSQL datasets. */
export class PostgresDriver implements EngineDriver {
  readonly setting: EngineSetting;
  readonly #postgres: PostgresSetting;
  readonly #handover: Handover;

  constructor(setting: EngineSetting, postgres: PostgresSetting) {
    this.setting = setting;
    this.#postgres = postgres;
    this.#handover = new Handover(setting.clock);
  }

  close(): Promise<void> {
    return this.#handover.close();
  }

  open(dataset: string, onEmpty: () => void): PooledDataset {
    const source = this.#source(dataset);
    const { shortReadMs } = this.#postgres;
    // What is cleaned after each lease has one at a time.
    if (shortReadMs === 0 || this.setting.purpose === 'shadow')
      return buildDataset(this.setting, dataset, { source }, onEmpty);
    const costs = new ReadCosts(shortReadMs);
    return buildDataset(this.setting, dataset, { source, costOf: (job) => costs.of(job) }, onEmpty);
  }

  /** Only where another dataset waits for a connection, and none that is old, doubtful or in the middle of something. */
  #mayHandOver(session: PostgresPooledSession): boolean {
    const { budget, clock, pool } = this.setting;
    if (budget.waiting === 0 || !session.isSound || session.transactionState !== 'none')
      return false;
    return (
      pool.maxLifetimeMs === 0 ||
      clock.monotonicMs() - session.opened.openedAtMs < pool.maxLifetimeMs
    );
  }

  /** A connection that another dataset gave up; undefined where there is none that would come over.
   *
   * @throws {DatasetNotFoundError} where this dataset doesn't exist. */
  async #handedOver(dataset: string): Promise<OpenedSession | undefined> {
    const opened = this.#handover.take();
    if (opened === undefined) return undefined;
    try {
      if (await movedInTime(opened.session, dataset, this.setting.pool.validationTimeoutMs))
        return opened;
      opened.session.cut();
    } catch (error) {
      await opened.session.close();
      if (error instanceof DatasetNotFoundError) throw error;
    }
    return undefined;
  }

  /** A connection may come over from another dataset: it says which it serves. */
  #mayLeave(dataset: string | undefined, sql: string): boolean {
    if (dataset === undefined) return false;
    const facts = this.setting.factsOf(dataset);
    return facts.mayLeave?.(sql) ?? keepsSession(facts.sessionUse(sql));
  }

  #source(dataset: string): ResourceSource<PooledSession> {
    const {
      location: { databaseUrl },
      pool,
      clock,
    } = this.setting;
    const { statementTimeoutMs, shortReadMs } = this.#postgres;
    const connect = async (url: string, signal: AbortSignal): Promise<OpenedSession> => ({
      session: await connectPostgres({
        url,
        signal,
        connectTimeoutMs: pool.connectTimeoutMs,
        needsPrimary: true,
        mayLeave: (at, sql) => this.#mayLeave(at, sql),
        ...(dataset === '' ? {} : { dataset }),
        ...(statementTimeoutMs === 0 ? {} : { statementTimeoutMs }),
      }),
      openedAtMs: clock.monotonicMs(),
    });
    return {
      sharing: sharingOf(shortReadMs),
      open: async (signal) => {
        if (databaseUrl === undefined) {
          throw new ConnectionError(
            'No PostgreSQL server is configured: pass databaseUrl or set DATABASE_URL.',
            {
              engine: 'postgresql',
              dataset,
            },
          );
        }
        const opened = (await this.#handedOver(dataset)) ?? (await connect(databaseUrl, signal));
        if (!signal.aborted) return new PostgresPooledSession(opened, dataset, databaseUrl);
        await opened.session.close();
        throw signal.reason as Error;
      },
      close: async (session) => {
        if (session instanceof PostgresPooledSession && this.#mayHandOver(session))
          this.#handover.put(session.opened);
        else await session.close();
      },
      cut: (session) => {
        session.cut();
      },
      usable: (session) => session.usable && session.transactionState === 'none',
      // What runs here for comparison's sake may leave what no classification sees: a view's function, a trigger's.
      ...(this.setting.purpose === 'shadow' ? { clean: cleanSession } : {}),
      validate: async (session) =>
        session instanceof PostgresPooledSession && (await session.answers()),
      mayPass: (error) =>
        databaseUrl !== undefined && !(error instanceof DatasetNotFoundError) && !isLasting(error),
    };
  }
}

async function cleanSession(session: PooledSession): Promise<void> {
  if (session instanceof PostgresPooledSession) await session.clean();
}

/** Lets a connection go if it doesn't come over in time. */
async function movedInTime(
  session: PostgresSession,
  dataset: string,
  limitMs: number,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, limitMs);
  });
  try {
    return await Promise.race([
      session.moveTo(dataset === '' ? undefined : dataset).then(() => true),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}

function isLasting(error: unknown): boolean {
  // What the connection stands on is not kept; asked again it isn't either.
  if (error instanceof ConnectionError && !error.retryable) return true;
  const cause: unknown = error instanceof ConnectionError ? error.cause : error;
  const code: unknown =
    typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'code') : undefined;
  return typeof code === 'string' && (lasting.test(code) || code === 'ERR_INVALID_URL');
}
