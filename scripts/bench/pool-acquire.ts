import { createPool as createGenericPool } from 'generic-pool';
import { createRequire } from 'node:module';
import { createPool as createLightningPool } from 'lightning-pool';
import { systemClock } from '@changeover/core';
import { Pool as Tarn } from 'tarn';
import { Budget } from '../../packages/pooled/src/budget.ts';
import { parsePoolOptions } from '../../packages/pooled/src/pool/pool-options.ts';
import { silentPoolObserver } from '@changeover/pooled';
import { Pool } from '../../packages/pooled/src/pool/pool.ts';
import type { BenchCase, BenchContext, CaseResult } from './figure.ts';
import { type Side, takeTurns, timeText, together } from './measure.ts';
import { atMost } from './verdict.ts';

/** What a pool lends here. Nothing is opened, so that the pool's own cost is all that is measured. */
interface Connection {
  readonly id: number;
}

/** A pool as it is used: take one, and give it back by the function that comes with it. */
type Acquire = () => Promise<() => unknown>;

const max = 10;
const waiters = 1_000;

export const poolAcquire: BenchCase = {
  name: 'pool-acquire',
  title:
    'taking and giving back a pooled connection, beside tarn, generic-pool, pg-pool, lightning-pool',
  run: measurePools,
};

async function measurePools(context: BenchContext): Promise<CaseResult> {
  const pools = {
    changeover: openOurs(),
    tarn: openTarn(),
    generic: openGeneric(),
    pg: openPg(),
    lightning: openLightning(),
  };
  const one = await takeTurns(context, sides(pools, 1), { rounds: 25, roundMs: 30 });
  const many = await takeTurns(context, sides(pools, waiters), { rounds: 15, roundMs: 30 });
  const peers = (timings: typeof one): string =>
    (['tarn', 'generic', 'pg', 'lightning'] as const)
      .map((name) => `${name} ${timeText(timings.medianMs(name))}`)
      .join(', ');
  return {
    figures: [
      one.ratio({
        key: 'uncontended',
        name: 'acquire and release, uncontended / tarn',
        measured: 'changeover',
        against: 'tarn',
        target: atMost(1.5),
        beside: `changeover ${timeText(one.medianMs('changeover'))}, ${peers(one)}; changeover alone checks age, lifetime, state, leaks, budget`,
      }),
      many.ratio({
        key: 'contended',
        name: `${waiters} callers on ${max} connections / tarn`,
        measured: 'changeover',
        against: 'tarn',
        target: atMost(1.5),
        beside: `for all: changeover ${timeText(many.medianMs('changeover'))}, ${peers(many)}`,
      }),
    ],
  };
}

function sides<Name extends string>(
  pools: Readonly<Record<Name, Acquire>>,
  callers: number,
): Record<Name, Side> {
  const entries = (Object.entries(pools) as [Name, Acquire][]).map(
    ([name, acquire]): [Name, Side] => {
      const once = async (): Promise<true> => {
        const release = await acquire();
        await release();
        return true;
      };
      return [name, callers === 1 ? once : () => together(callers, once)];
    },
  );
  return Object.fromEntries(entries) as Record<Name, Side>;
}

function counter(): () => Connection {
  let id = 0;
  return () => ({ id: (id += 1) });
}

function openOurs(): Acquire {
  const make = counter();
  const pool = new Pool<Connection>({
    name: 'bench',
    options: parsePoolOptions({ max, maxPending: 10_000, acquireTimeoutMs: 60_000 }, {}, 'bench'),
    source: {
      open: async () => make(),
      close: async () => undefined,
      cut: () => undefined,
      usable: () => true,
      validate: async () => true,
      mayPass: () => true,
    },
    budget: new Budget(100, systemClock),
    clock: systemClock,
    random: Math.random,
    observer: silentPoolObserver,
    fields: {},
  });
  return async () => {
    const lease = await pool.acquire();
    return () => {
      lease.release();
    };
  };
}

function openTarn(): Acquire {
  const make = counter();
  const pool = new Tarn<Connection>({
    create: async () => make(),
    destroy: () => undefined,
    min: 0,
    max,
    acquireTimeoutMillis: 60_000,
  });
  return async () => {
    const connection = await pool.acquire().promise;
    return () => {
      pool.release(connection);
    };
  };
}

function openGeneric(): Acquire {
  const make = counter();
  const pool = createGenericPool<Connection>(
    { create: async () => make(), destroy: async () => undefined },
    { min: 0, max },
  );
  return async () => {
    const connection = await pool.acquire();
    return () => pool.release(connection);
  };
}

function openLightning(): Acquire {
  const make = counter();
  const pool = createLightningPool<Connection>(
    { create: async () => make(), destroy: () => undefined },
    { min: 0, max, maxQueue: 10_000, validation: false },
  );
  return async () => {
    const connection = await pool.acquire();
    return () => {
      pool.release(connection);
    };
  };
}

/** pg-pool takes the class of its clients, so one that connects to nothing measures the pool alone. */
function openPg(): Acquire {
  interface PgPool {
    connect(): Promise<{ release(): void }>;
  }
  class NoClient {
    connect(done: () => void): void {
      queueMicrotask(done);
    }
    end(done?: () => void): void {
      done?.();
    }
    on(): this {
      return this;
    }
    once(): this {
      return this;
    }
    removeListener(): this {
      return this;
    }
    // pg-pool marks idle clients by these.
    ref(): void {
      /* nothing is open */
    }
    unref(): void {
      /* nothing is open */
    }
  }
  const PgPoolClass = createRequire(import.meta.url)('pg-pool') as new (options: object) => PgPool;
  const pool = new PgPoolClass({ Client: NoClient, max, idleTimeoutMillis: 30_000 });
  return async () => {
    const client = await pool.connect();
    return () => {
      client.release();
    };
  };
}
