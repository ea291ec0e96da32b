import { stat } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { pause, takeTurns, timeText, together } from './measure.ts';
import { quantile } from './quantile.ts';
import { atLeast, atMost } from './verdict.ts';
import { openWorkbench } from './workbench.ts';

const engine = 'duckdb';
const callers = 10;
const rows = 200_000;
const aggregate =
  'SELECT kind, count(*)::INTEGER AS n, max(id) AS last, max(length(name))::INTEGER AS longest FROM data ' +
  'GROUP BY kind ORDER BY kind';
const fiveThousand = 'SELECT * FROM data WHERE id < 5000 ORDER BY id';

export const duckdbPeers: BenchCase = {
  name: 'duckdb-peers',
  title:
    'DuckDB: aggregates and reads of 5,000 rows by 10 callers, beside @duckdb/node-api on one connection',
  run: measureDuckdb,
};

async function measureDuckdb(context: BenchContext): Promise<CaseResult> {
  const bench = await openWorkbench({ engines: [engine], datasets: 1, rows });
  try {
    const {
      pooled,
      datasets: [dataset = ''],
    } = bench;
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const figures: Figure[] = [];
    try {
      await fillBare(connection);
      for (const [key, what, sql] of [
        ['aggregate', 'aggregate', aggregate],
        ['large', '5,000-row reads', fiveThousand],
      ] as const) {
        const timings = await takeTurns(
          context,
          {
            pooled: () =>
              together(callers, () =>
                pooled(engine)
                  .query(dataset, sql)
                  .then((answer) => answer.rows),
              ),
            bare: () => oneAfterTheOther(connection, sql),
          },
          { rounds: 9, roundMs: 80, equal: sameValues },
        );
        figures.push(
          timings.speedup({
            key,
            name: `${what}, 10 callers, times one connection`,
            measured: 'pooled',
            against: 'bare',
            target: atLeast(1),
            beside:
              `for all: changeover ${timeText(timings.medianMs('pooled'))}, @duckdb/node-api ${timeText(timings.medianMs('bare'))}; ` +
              'DuckDB uses all cores for one query already',
          }),
        );
      }
      const rounds: number[][] = [];
      for (let round = 0; round < (context.quick ? 3 : 7); round += 1) {
        rounds.push(
          await statDelays(
            () => together(callers, () => pooled(engine).query(dataset, aggregate)),
            context.quick ? 150 : 500,
          ),
        );
      }
      const all = rounds.flat();
      figures.push(
        figureOf({
          key: 'stat-delay',
          name: 'fs.stat delay p99 meanwhile',
          unit: 'ms',
          rounds: rounds.map((delays) => quantile(delays, 0.99)),
          target: atMost(10),
          beside:
            `${all.length} calls of fs.stat, median ${quantile(all, 0.5).toFixed(2)} ms, ` +
            `UV_THREADPOOL_SIZE ${process.env['UV_THREADPOOL_SIZE'] ?? '4'}`,
        }),
      );
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
    return { figures };
  } finally {
    await bench.close();
  }
}

/** The same rows in memory: a second instance over the file would be a danger, and reading memory is no slower. */
async function fillBare(connection: DuckDBConnection): Promise<void> {
  await connection.run(`CREATE TABLE data AS SELECT i::INTEGER AS id, 'name ' || i AS name, i * 1.25::DOUBLE AS amount,
    (i % 7)::INTEGER AS kind, CASE WHEN i % 3 = 0 THEN NULL ELSE 'note of ' || i END AS note, (i % 2)::INTEGER AS flag
    FROM range(${rows}) AS t(i)`);
  await connection.run('CREATE UNIQUE INDEX data_id ON data (id)');
}

/** One connection takes one query at a time. */
async function oneAfterTheOther(connection: DuckDBConnection, sql: string): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let at = 0; at < callers; at += 1)
    answers.push((await connection.runAndReadAll(sql)).getRowObjects());
  return answers;
}

/** How long a file's stat takes while the work goes on: DuckDB runs on the threads that files wait for. */
async function statDelays(work: () => Promise<unknown>, durationMs: number): Promise<number[]> {
  const delays: number[] = [];
  const untilMs = performance.now() + durationMs;
  const load = (async () => {
    while (performance.now() < untilMs) await work();
  })();
  while (performance.now() < untilMs) {
    const startedMs = performance.now();
    await stat(import.meta.filename);
    delays.push(performance.now() - startedMs);
    await pause(2);
  }
  await load;
  return delays;
}

function sameValues(one: unknown, other: unknown): boolean {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_key, item: unknown) =>
      typeof item === 'bigint' ? Number(item) : item,
    );
  return text(one) === text(other);
}
