import Database from 'better-sqlite3';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { datasetFile } from '@changeover/engines/api';
import { type Engine, type StoreLocation } from 'changeover';
import { keepHeapSmall } from '../../packages/storage/src/verify/keep-heap-small.ts';
import { verifyStore } from '@changeover/storage';

/** What one process is to do while it is watched. */
export interface ScanOrder extends StoreLocation {
  readonly what: 'scan' | 'verify';
  readonly engine: Engine;
  readonly dataset: string;
  readonly rows: number;
}

export interface ScanReport {
  readonly ms: number;
  readonly peakMib: number;
}

if (process.send !== undefined && process.argv[2] !== undefined) {
  const order = JSON.parse(process.argv[2]) as ScanOrder;
  const startedMs = performance.now();
  const rows = order.what === 'scan' ? await scan(order) : await verify(order);
  const ms = performance.now() - startedMs;
  if (rows !== order.rows) throw new Error(`${order.rows} rows were to be read, found ${rows}`);
  const report: ScanReport = { ms, peakMib: process.resourceUsage().maxRSS / 1_024 };
  await new Promise((resolve) => process.send?.(report, resolve));
  process.exit(0);
}

async function verify({
  basePath,
  databaseUrl,
  engine,
  dataset,
  rows,
}: ScanOrder): Promise<number> {
  // As the command does it.
  const collect = keepHeapSmall();
  const result = await verifyStore({
    basePath,
    databaseUrl,
    engine,
    dataset,
    tables: ['data'],
    stateFile: false,
    duckdb: { memoryLimitMib: 12, threads: 1 },
    onProgress: () => {
      collect(engine === 'duckdb');
    },
  });
  if (result.verdict !== 'match')
    throw new Error(`the legs read one store and must agree; found ${result.verdict}`);
  return rows;
}

/** Every value of every row through the driver, part by part. */
async function scan({ basePath, databaseUrl, engine, dataset }: ScanOrder): Promise<number> {
  switch (engine) {
    case 'sqlite': {
      const database = new Database(datasetFile({ basePath, databaseUrl }, engine, dataset), {
        readonly: true,
      });
      let rows = 0;
      for (const row of database.prepare('SELECT * FROM data').raw().iterate())
        if (Array.isArray(row)) rows += 1;
      database.close();
      return rows;
    }
    case 'duckdb': {
      const instance = await DuckDBInstance.create(
        datasetFile({ basePath, databaseUrl }, engine, dataset),
        { threads: '2' },
      );
      const connection = await instance.connect();
      let rows = 0;
      const result = await connection.stream('SELECT * FROM data');
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) break;
        rows += chunk.getRows().length;
      }
      connection.closeSync();
      instance.closeSync();
      return rows;
    }
    case 'postgresql': {
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      await client.query('BEGIN');
      await client.query(
        `DECLARE everything NO SCROLL CURSOR FOR SELECT * FROM "mdm_${dataset}"."data"`,
      );
      let rows = 0;
      for (;;) {
        const answer = await client.query({
          text: 'FETCH 10000 FROM everything',
          rowMode: 'array',
        });
        if (answer.rows.length === 0) break;
        rows += answer.rows.length;
      }
      await client.end();
      return rows;
    }
  }
}
