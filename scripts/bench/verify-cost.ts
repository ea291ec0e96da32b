import { fork } from 'node:child_process';
import Database from 'better-sqlite3';
import { datasetFile, engineTitles } from '@changeover/engines/api';
import { type Engine, engines, type StorageApi } from 'changeover';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { countText, timeText } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';
import { openWorkbench, type Workbench } from './workbench.ts';
import type { ScanOrder, ScanReport } from './scan-process.ts';

export const verifyCost: BenchCase = {
  name: 'verify-cost',
  title:
    '`changeover verify` of 10^6 and 10^7 rows per engine (10^7 of SQLite alone, beside others), against a plain full scan',
  needsPostgres: true,
  run: measureVerify,
};

async function measureVerify(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  for (const engine of engines) {
    const small = await measureOn(context, engine, context.quick ? 20_000 : 1_000_000);
    figures.push(...ratioOf(small));
    if (context.quick || (engine !== 'sqlite' && !context.alone)) continue;
    const large = await measureOn(context, engine, 10_000_000);
    figures.push(...ratioOf(large));
    figures.push(
      figureOf({
        key: `${engine}-memory`,
        name: `${engineTitles[engine]}: peak memory at 10^7 rows / at 10^6`,
        unit: '×',
        rounds: large.verify.map(
          (report, round) => report.peakMib / (small.verify[round]?.peakMib ?? NaN),
        ),
        target: atMost(1.1),
        beside: `${peakMib(large.verify).toFixed(0)} MiB against ${peakMib(small.verify).toFixed(0)} MiB`,
      }),
    );
  }
  return { figures };
}

interface Measured {
  readonly engine: Engine;
  readonly rows: number;
  readonly verify: readonly ScanReport[];
  readonly scan: readonly ScanReport[];
}

function ratioOf({ engine, rows, verify, scan }: Measured): Figure[] {
  const ratios = verify.map(({ ms }, round) => ms / (scan[round]?.ms ?? NaN));
  const median = (reports: readonly ScanReport[]): number =>
    quantile(
      reports.map(({ ms }) => ms),
      0.5,
    );
  return [
    figureOf({
      key: `${engine}-${rows}`,
      name: `${engineTitles[engine]}: verify of ${countText(rows)} rows through both legs / a full scan`,
      unit: '×',
      rounds: ratios,
      target: atMost(3),
      beside:
        `verify ${timeText(median(verify))} (two scans, digested), scan of all values through the driver ${timeText(median(scan))}; ` +
        `peak memory ${peakMib(verify).toFixed(0)} MiB against ${peakMib(scan).toFixed(0)} MiB`,
    }),
  ];
}

function peakMib(reports: readonly ScanReport[]): number {
  return Math.max(...reports.map((report) => report.peakMib));
}

async function measureOn(context: BenchContext, engine: Engine, rows: number): Promise<Measured> {
  const bench = await openWorkbench({
    engines: [engine],
    databaseUrl: context.databaseUrl,
    datasets: 1,
    rows: 1,
  });
  try {
    const [dataset = ''] = bench.datasets;
    await fill(bench, engine, dataset, rows);
    // Who verifies is another process; DuckDB lets one alone have the file open.
    await bench.pooled(engine).closeConnections();
    const order = { ...bench.location, engine, dataset, rows };
    const [verify, scan]: [ScanReport[], ScanReport[]] = [[], []];
    for (let round = 0; round < 3; round += 1) {
      scan.push(await runInOwnProcess({ ...order, what: 'scan' }));
      verify.push(await runInOwnProcess({ ...order, what: 'verify' }));
    }
    return { engine, rows, scan, verify };
  } finally {
    await bench.close();
  }
}

/** Rows made by the engine itself: sending ten million would be most of the benchmark. */
async function fill(
  bench: Workbench,
  engine: Engine,
  dataset: string,
  rows: number,
): Promise<void> {
  const columns =
    "i AS id, 'name ' || i AS name, i * 1.25 AS amount, i % 7 AS kind, " +
    "CASE WHEN i % 3 = 0 THEN NULL ELSE 'note of ' || i END AS note, i % 2 AS flag";
  if (engine === 'sqlite') {
    const database = new Database(datasetFile(bench.location, engine, dataset));
    database.exec(`DROP TABLE data;
      CREATE TABLE data (id INTEGER PRIMARY KEY, name TEXT, amount REAL, kind INTEGER, note TEXT, flag INTEGER);
      WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows - 1}) INSERT INTO data SELECT ${columns} FROM n`);
    database.close();
    return;
  }
  const storage: StorageApi = bench.pooled(engine);
  const source =
    engine === 'duckdb' ? `range(${rows}) AS t(i)` : `generate_series(0, ${rows - 1}) AS t(i)`;
  await storage.execute(dataset, 'DROP TABLE data');
  await storage.execute(
    dataset,
    `CREATE TABLE data AS SELECT ${columns
      .replace('i * 1.25', 'CAST(i AS double precision) * 1.25')
      .replace('i AS id', 'CAST(i AS integer) AS id')} FROM ${source}`,
  );
  if (engine === 'postgresql')
    await storage.execute(dataset, 'ALTER TABLE data ADD PRIMARY KEY (id)');
}

function runInOwnProcess(order: ScanOrder): Promise<ScanReport> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('./scan-process.ts', import.meta.url), [JSON.stringify(order)], {
      execArgv: process.execArgv.filter((flag) => flag !== '--expose-gc'),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let report: ScanReport | undefined;
    const end = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', end);
    child.on('message', (message) => {
      report = message as ScanReport;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      process.off('exit', end);
      if (report === undefined)
        reject(new Error(`the process that scans ended with ${String(code)}`));
      else resolve(report);
    });
  });
}
