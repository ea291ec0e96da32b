import { datasetFile } from '@changeover/core';
import { pause, startOther } from './arena.ts';
import type { Fault } from './fault.ts';

const engines = ['duckdb'] as const;
const heavy = 'SELECT count(*) AS c FROM range(300000) a, range(300000) b WHERE a.range + b.range = 7';

/** What befalls DuckDB. */
export const duckdbFaults: readonly Fault[] = [
  {
    name: 'duckdb: conflicting writes are retried',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'duckdb');
      await backend.writeTable('counter', [{ n: 0 }], { ifExists: 'replace' });
      const told = await Promise.all(Array.from({ length: 12 }, () =>
        arena.noted('duckdb', dataset, 'increment', 3_000, () =>
          backend.execute('UPDATE counter SET n = n + 1', [], { deadlineMs: 3_000 }))));
      const done = told.filter((error) => error === undefined).length;
      const n = Number((await backend.query('SELECT n FROM counter')).rows[0]?.['n']);
      if (n !== done) arena.log.problem(`${done} increments were acknowledged, and n is ${n}`);
    },
  },
  {
    name: 'duckdb: another process holds the file',
    engines,
    async run(arena) {
      const storage = arena.storage('duckdb');
      await storage.createDataset(arena.victim);
      await storage.writeTable(arena.victim, 't', [{ id: 1 }]);
      const file = JSON.stringify(datasetFile({ basePath: arena.basePath }, 'duckdb', arena.victim));
      const holds = (): ReturnType<typeof startOther> =>
        startOther('const { DuckDBInstance } = require(JSON.parse(process.env.MODULES).duckdb); ' +
        `DuckDBInstance.create(${file}).then((held) => { globalThis.held = held; console.log('ready'); setInterval(() => {}, 1000); });`);
      const other = await arena.factory.leg('duckdb').closedWhile?.(arena.victim, holds) ?? await holds();
      const backend = arena.factory.createBackend(arena.victim, 'duckdb');
      const error = await arena.noted('duckdb', arena.victim, 'read', 700, () => backend.readTable('t', {}, { deadlineMs: 700 }));
      if (error === undefined) arena.log.problem('a file that another process holds was read');
      await other.end();
      const rows = await storage.readTable(arena.victim, 't');
      if (rows.length !== 1) arena.log.problem('the dataset did not come back after the other process ended');
    },
  },
  {
    name: 'duckdb: long queries are interrupted',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'duckdb');
      for (let round = 0; round < 3; round += 1) {
        const error = await arena.noted('duckdb', dataset, 'heavy', 150, () => backend.query(heavy, [], { deadlineMs: 150 }));
        if (error === undefined) arena.log.problem('a query that was to be interrupted was answered');
      }
    },
  },
  {
    name: 'duckdb: a query needs more memory than there is',
    engines,
    options: { duckdb: { memoryBudgetMib: 256 } },
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const backend = arena.factory.createBackend(dataset, 'duckdb');
      const sql =
        'SELECT count(*) AS c FROM (SELECT list(range::VARCHAR || repeat(\'x\', 200)) AS l FROM range(3000000) GROUP BY range % 2)';
      await arena.noted('duckdb', dataset, 'large', 3_000, () => backend.query(sql, [], { deadlineMs: 3_000 }));
      await pause(50);
    },
  },
];
