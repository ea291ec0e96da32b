import Database from 'better-sqlite3';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { datasetFile, type Engine, engines, engineTitles } from 'changeover';
import type { BenchCase, BenchContext, CaseResult, Figure } from './figure.ts';
import { type Side, takeTurns, timeText } from './measure.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

export const oneRead: BenchCase = {
  name: 'one-read',
  title: 'one dataset of 5,000 rows read by one caller, per engine, against the legacy leg',
  needsPostgres: true,
  run: measureOneRead,
};

async function measureOneRead(context: BenchContext): Promise<CaseResult> {
  const bench = await openWorkbench({ engines, databaseUrl: context.databaseUrl, datasets: 2 });
  try {
    const figures: Figure[] = [];
    for (const engine of engines) figures.push(...(await readOf(context, bench, engine)));
    return { figures };
  } finally {
    await bench.close();
  }
}

/** Reading one dataset again and again, and the ADR's case beside it: a caller who goes from dataset to dataset, for whom
 * the legacy object closes one connection and opens the other each time. */
async function readOf(context: BenchContext, bench: Workbench, engine: Engine): Promise<Figure[]> {
  const [first = '', second = ''] = bench.datasets;
  const bare = await openBare(engine, bench, first);
  try {
    const timings = await takeTurns(
      context,
      {
        pooled: () => bench.pooled(engine).readTable(first, 'data'),
        legacy: () => bench.legacy(engine).readTable(first, 'data'),
      },
      { rounds: 21, roundMs: 60 },
    );
    const limit = await takeTurns(
      context,
      {
        bare: bare.read,
        legacy: () => bench.legacy(engine).readTable(first, 'data'),
      },
      {
        rounds: 11,
        roundMs: 60,
        equal: (a, b) => (a as unknown[]).length === (b as unknown[]).length,
      },
    );
    let turn = 0;
    const other = (): string => ((turn += 1) % 2 === 0 ? first : second);
    const switching = await takeTurns(
      context,
      {
        pooled: () => bench.pooled(engine).readTable(other(), 'data'),
        legacy: () => bench.legacy(engine).readTable(other(), 'data'),
      },
      {
        rounds: 11,
        roundMs: 60,
        equal: (a, b) => (a as unknown[]).length === (b as unknown[]).length,
      },
    );
    return [
      timings.ratio(
        `${engineTitles[engine]}: the same dataset again, pooled / legacy`,
        'pooled',
        'legacy',
        0.93,
        `legacy ${timeText(timings.medianMs('legacy'))}; limit: the bare driver's own rows on an open connection take ` +
          `${(limit.medianMs('bare') / limit.medianMs('legacy')).toFixed(2)} × legacy`,
      ),
      switching.ratio(
        `${engineTitles[engine]}: another dataset each time, pooled / legacy`,
        'pooled',
        'legacy',
        0.93,
        `legacy ${timeText(switching.medianMs('legacy'))}`,
      ),
    ];
  } finally {
    await bare.close();
  }
}

interface Bare {
  close(): Promise<void>;
  readonly read: Side;
}

/** The driver alone, as short as it goes: what no leg over it can undercut. */
async function openBare(engine: Engine, bench: Workbench, dataset: string): Promise<Bare> {
  switch (engine) {
    case 'sqlite': {
      const database = new Database(datasetFile(bench.location, engine, dataset), {
        readonly: true,
      });
      const statement = database.prepare('SELECT * FROM "data"');
      return {
        read: () => statement.all(),
        close: async () => {
          database.close();
        },
      };
    }
    case 'duckdb': {
      // A second instance over one file would be a danger in a process that writes; the same rows in memory cost the same.
      const instance = await DuckDBInstance.create(':memory:');
      const connection = await instance.connect();
      await connection.run(`CREATE TABLE data AS SELECT i::INTEGER AS id, 'name ' || i AS name, i * 1.25::DOUBLE AS amount,
        (i % 7)::INTEGER AS kind, CASE WHEN i % 3 = 0 THEN NULL ELSE 'note of ' || i END AS note, (i % 2)::INTEGER AS flag
        FROM range(5000) AS t(i)`);
      return {
        read: async () => (await connection.runAndReadAll('SELECT * FROM data')).getRowObjects(),
        close: async () => {
          connection.closeSync();
          instance.closeSync();
        },
      };
    }
    case 'postgresql': {
      const client = new pg.Client({ connectionString: bench.location.databaseUrl });
      await client.connect();
      const query = { name: 'all', text: `SELECT * FROM "mdm_${dataset}"."data"` };
      return {
        read: async () => (await client.query<object>(query)).rows,
        close: () => client.end(),
      };
    }
  }
}
