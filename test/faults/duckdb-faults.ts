import { datasetFile } from '@changeover/engines';
import { openDuckdbSession } from '@changeover/engines';
import type { Program, Step } from '@changeover/engines';
import { pause, startOther } from './arena.ts';
import type { Fault } from './fault.ts';

const engines = ['duckdb'] as const;
const heavy =
  'SELECT count(*) AS c FROM range(300000) a, range(300000) b WHERE a.range + b.range = 7';

/** What befalls DuckDB. */
export const duckdbFaults: readonly Fault[] = [
  {
    name: 'duckdb: conflicting writes are retried',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'duckdb');
      await backend.writeTable('counter', [{ n: 0 }], { ifExists: 'replace' });
      // Another connection to the same instance, as the other leg has one: the pool's own writes take turns.
      const other = await openDuckdbSession({
        file: datasetFile({ basePath: arena.basePath }, 'duckdb', dataset),
      });
      await other.run(
        statements({ kind: 'begin' }, { kind: 'run', sql: 'UPDATE counter SET n = n + 100' }),
      );
      const before = arena.retries;
      const telling = Array.from({ length: 12 }, () =>
        arena.noted('duckdb', dataset, 'increment', 3_000, () =>
          backend.execute('UPDATE counter SET n = n + 1', [], { deadlineMs: 3_000 }),
        ),
      );
      const endMs = performance.now() + 1_000;
      while (arena.retries === before && performance.now() < endMs) await pause(2);
      await other.run(statements({ kind: 'commit' }));
      await other.close();
      const done = (await Promise.all(telling)).filter((error) => error === undefined).length;
      const n = Number((await backend.query('SELECT n FROM counter')).rows[0]?.['n']);
      if (n !== done + 100)
        arena.log.problem(`${done} increments were acknowledged beside one of 100, and n is ${n}`);
      if (arena.retries === before) arena.log.problem('no write met a conflict');
    },
  },
  {
    name: 'duckdb: another process holds the file',
    engines,
    async run(arena) {
      const storage = arena.storage('duckdb');
      // It may have befallen the same arena before.
      await storage.dropDataset(arena.victim);
      await storage.createDataset(arena.victim);
      await storage.writeTable(arena.victim, 't', [{ id: 1 }]);
      const file = JSON.stringify(
        datasetFile({ basePath: arena.basePath }, 'duckdb', arena.victim),
      );
      const holds = (): ReturnType<typeof startOther> =>
        startOther(
          'const { DuckDBInstance } = require(JSON.parse(process.env.MODULES).duckdb); ' +
            `DuckDBInstance.create(${file}).then((held) => { globalThis.held = held; console.log('ready'); setInterval(() => {}, 1000); });`,
        );
      const other =
        (await arena.factory.leg('duckdb').closedWhile?.(arena.victim, holds)) ?? (await holds());
      const backend = arena.factory.createBackend(arena.victim, 'duckdb');
      const error = await arena.noted('duckdb', arena.victim, 'read', 700, () =>
        backend.readTable('t', {}, { deadlineMs: 700 }),
      );
      if (error === undefined) arena.log.problem('a file that another process holds was read');
      await other.end();
      const rows = await storage.readTable(arena.victim, 't');
      if (rows.length !== 1)
        arena.log.problem('the dataset did not come back after the other process ended');
    },
  },
  {
    name: 'duckdb: long queries are interrupted',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'duckdb');
      for (let round = 0; round < 3; round += 1) {
        const error = await arena.noted('duckdb', dataset, 'heavy', 150, () =>
          backend.query(heavy, [], { deadlineMs: 150 }),
        );
        if (error === undefined)
          arena.log.problem('a query that was to be interrupted was answered');
      }
    },
  },
  {
    name: 'duckdb: a query needs more memory than there is',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'duckdb');
      const sql = "SELECT length(string_agg(repeat('x', 1000000), '')) AS c FROM range(200)";
      const error = await arena.noted('duckdb', dataset, 'large', 3_000, () =>
        backend.query(sql, [], { deadlineMs: 3_000 }),
      );
      if (!/Out of Memory/i.test((error as Error | undefined)?.message ?? '')) {
        arena.log.problem(`a query beyond the memory limit ended with ${String(error)}`);
      }
    },
  },
];

function* statements(...steps: readonly Step[]): Program<void> {
  for (const step of steps) yield step;
}
