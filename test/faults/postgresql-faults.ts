import type { ProxyMode } from '../kit/tcp-proxy.ts';
import { pause } from './arena.ts';
import type { Fault } from './fault.ts';

const engines = ['postgresql'] as const;

const ours = "application_name = 'changeover'";

function onNetwork(name: string, mode: ProxyMode, durationMs: number): Fault {
  return {
    name: `postgresql: ${name}`,
    engines,
    async run({ proxy }) {
      proxy.mode = mode;
      await pause(durationMs);
      proxy.mode = 'pass';
      // What was swallowed is lost for good; a real network would say so in the end.
      if (mode === 'blackHole' || mode === 'halfOpen') proxy.reset();
    },
  };
}

/** What befalls PostgreSQL. */
export const postgresqlFaults: readonly Fault[] = [
  {
    name: 'postgresql: idle connections are terminated',
    engines,
    async run(arena) {
      for (let round = 0; round < 5; round += 1) {
        await arena.postgres.run(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours} AND state = 'idle'`,
        );
        await arena.answered(5);
      }
    },
  },
  {
    name: 'postgresql: busy connections are terminated',
    engines,
    async run(arena) {
      for (let round = 0; round < 5; round += 1) {
        await arena.postgres.run(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`,
        );
        await arena.answered(5);
      }
    },
  },
  {
    name: 'postgresql: the server restarts in a hurry',
    engines,
    run: ({ postgres }) => postgres.restart('fast'),
  },
  {
    name: 'postgresql: the server crashes and comes back',
    engines,
    run: ({ postgres }) => postgres.restart('immediate'),
  },
  {
    name: 'postgresql: too many connections',
    engines,
    async run(arena) {
      const others = await Promise.allSettled(
        Array.from({ length: 45 }, () => arena.postgres.connect()),
      );
      // What the pools have open goes, and they find no room for more.
      await arena.postgres
        .run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`)
        .catch(() => undefined);
      await pause(500);
      for (const other of others) if (other.status === 'fulfilled') await other.value.end();
    },
  },
  {
    name: 'postgresql: deadlock',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'postgresql');
      await backend.writeTable(
        'pair',
        [
          { id: 1, n: 0 },
          { id: 2, n: 0 },
        ],
        { ifExists: 'replace' },
      );
      const locks = new Barrier(2);
      const cross = (first: number, second: number): Promise<unknown> =>
        arena.noted('postgresql', dataset, 'deadlock', 3_000, () =>
          backend.transaction(
            async (transaction) => {
              await transaction.execute('UPDATE pair SET n = n + 1 WHERE id = $1', [first]);
              await locks.reached();
              await transaction.execute('UPDATE pair SET n = n + 1 WHERE id = $1', [second]);
            },
            { deadlineMs: 3_000 },
          ),
        );
      const failed = (await Promise.all([cross(1, 2), cross(2, 1)])).filter(
        (error) => error !== undefined,
      );
      const { rows } = await backend.query('SELECT sum(n) AS s FROM pair');
      if (failed.length !== 1 || Number(rows[0]?.['s']) !== 2) {
        arena.log.problem(
          `of two transactions in a deadlock ${failed.length} failed, and n is ${Number(rows[0]?.['s'])}`,
        );
      }
    },
  },
  {
    name: 'postgresql: serialization failures are retried',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'postgresql');
      await backend.writeTable('counter', [{ n: 0 }], { ifExists: 'replace' });
      await arena.postgres.run(
        "ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'",
      );
      await arena.postgres.run(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`,
      );
      const told = await Promise.all(
        Array.from({ length: 12 }, () =>
          arena.noted('postgresql', dataset, 'increment', 3_000, () =>
            backend.execute('UPDATE counter SET n = n + 1', [], { deadlineMs: 3_000 }),
          ),
        ),
      );
      await arena.postgres.run('ALTER DATABASE postgres RESET default_transaction_isolation');
      const { rows } = await backend.query('SELECT n FROM counter');
      const unknown = told.filter(
        (error) => (error as { code?: unknown } | undefined)?.code === 'COMMIT_UNKNOWN',
      ).length;
      const done = told.filter((error) => error === undefined).length;
      const n = Number(rows[0]?.['n']);
      if (n < done || n > done + unknown)
        arena.log.problem(`${done} increments were acknowledged, and n is ${n}`);
    },
  },
  {
    name: 'postgresql: statement time-out of the server',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const error = await arena.noted('postgresql', dataset, 'sleep', 2_000, () =>
        arena.factory
          .createBackend(dataset, 'postgresql')
          .query('SELECT pg_sleep(10)', [], { deadlineMs: 2_000 }),
      );
      if ((error as { code?: unknown } | undefined)?.code !== 'STATEMENT_FAILED') {
        arena.log.problem(`a statement that the server timed out ended with ${String(error)}`);
      }
    },
  },
  {
    name: 'postgresql: the network resets every connection',
    engines,
    async run(arena) {
      for (let round = 0; round < 5; round += 1) {
        arena.proxy.reset();
        await arena.answered(5);
      }
    },
  },
  onNetwork('the server refuses connections', 'refuse', 300),
  onNetwork('the network swallows everything', 'blackHole', 2_200),
  onNetwork("the server's answers are lost", 'halfOpen', 2_200),
  onNetwork('bytes come one at a time', 'trickle', 400),
  onNetwork("ends of connections don't arrive", 'slowClose', 300),
];

/** Lets who comes wait until all have come. */
class Barrier {
  readonly #count: number;
  #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  reached(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length >= this.#count) for (const go of this.#waiting.splice(0)) go();
    });
  }
}
