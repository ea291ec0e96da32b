import { pause } from './arena.ts';
import type { Fault } from './fault.ts';
import { pick } from './random.ts';

const engines = ['sqlite', 'duckdb', 'postgresql'] as const;

/** What befalls the process, or what its callers do. */
export const processFaults: readonly Fault[] = [
  {
    name: 'process: the event loop stands still for 2 s',
    engines,
    alone: true,
    async run(arena) {
      const fromMs = performance.now();
      while (performance.now() - fromMs < 2_000) Math.sqrt(fromMs);
      arena.log.stalled(fromMs, performance.now());
      await arena.answered(10);
    },
  },
  {
    name: 'process: the clock is set back and forward',
    engines,
    async run(arena) {
      for (const offsetMs of [-3_600_000, 3_600_000, -86_400_000, 0]) {
        arena.setClock(offsetMs);
        await arena.answered(10);
      }
    },
  },
  {
    name: 'process: 10,000 callers at once',
    engines,
    alone: true,
    async run(arena) {
      const calls: Promise<void>[] = [];
      for (let call = 0; call < 10_000; call += 1) {
        calls.push(
          arena.read(pick(arena.random, engines), pick(arena.random, arena.datasets), 2_500),
        );
      }
      await Promise.all(calls);
    },
  },
  {
    name: 'process: callers never give back what they took',
    engines,
    alone: true,
    async run(arena) {
      const leaks = engines.map((engine) =>
        arena.noted(engine, arena.datasets[0] ?? '', 'leak', 3_000, () =>
          arena.factory.createBackend(arena.datasets[0] ?? '', engine).transaction(
            () => {
              // A promise that is never kept, until long after the connection was taken back.
              return pause(1_800);
            },
            { deadlineMs: 3_000 },
          ),
        ),
      );
      const told = await Promise.all(leaks);
      for (const error of told)
        if (error === undefined)
          arena.log.problem('a transaction whose connection was taken back was committed');
    },
  },
  {
    name: 'process: callers give up while they wait',
    engines,
    alone: true,
    async run(arena) {
      const calls: Promise<unknown>[] = [];
      for (let call = 0; call < 150; call += 1) {
        const engine = pick(arena.random, engines);
        const dataset = pick(arena.random, arena.datasets);
        const controller = new AbortController();
        setTimeout(() => {
          controller.abort();
        }, arena.random() * 40);
        calls.push(
          arena.noted(engine, dataset, 'given up', 1_500, () =>
            arena.factory
              .createBackend(dataset, engine)
              .query('SELECT count(*) AS c FROM log', [], {
                signal: controller.signal,
                deadlineMs: 1_500,
              }),
          ),
        );
      }
      await Promise.all(calls);
    },
  },
];
