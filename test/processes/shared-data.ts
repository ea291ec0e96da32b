import SqliteDatabase from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { createStorageBridge, type Engine } from 'changeover';

/** What one dataset holds, read by the bare driver. */
export interface SharedData {
  readonly rows: number;
  readonly counter: number;
  /** Over the journal's names in order. */
  readonly digest: string;
}

/** The dataset, with its two tables, on each engine. */
export async function createSharedData(
  location: { readonly basePath: string; readonly databaseUrl: string; readonly flagsFile: string },
  engines: readonly Engine[],
  dataset: string,
): Promise<void> {
  const bridge = createStorageBridge({ ...location, storePath: ':memory:' });
  try {
    for (const engine of engines) {
      const storage = bridge.storage(engine);
      await storage.createDataset(dataset);
      await storage.writeTable(dataset, 'counter', [{ name: 'all', value: 0 }]);
      await storage.writeTable(dataset, 'journal', { id: ['first'], note: [engine] });
    }
  } finally {
    await bridge.close();
  }
}

export async function readSharedData(
  { basePath, databaseUrl }: { readonly basePath: string; readonly databaseUrl: string },
  engine: Engine,
  dataset: string,
): Promise<SharedData> {
  if (engine === 'sqlite') {
    const database = new SqliteDatabase(join(basePath, dataset, 'dataset.sqlite'), {
      readonly: true,
    });
    try {
      return dataOf(
        database.prepare('select id from journal').pluck().all() as string[],
        database.prepare('select value from counter').pluck().get(),
      );
    } finally {
      database.close();
    }
  }
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const journal = await client.query<{ id: string }>(`select id from "mdm_${dataset}".journal`);
    const counter = await client.query<{ value: unknown }>(
      `select value from "mdm_${dataset}".counter`,
    );
    return dataOf(
      journal.rows.map(({ id }) => id),
      counter.rows[0]?.value,
    );
  } finally {
    await client.end();
  }
}

export function dataOf(ids: readonly string[], counter: unknown): SharedData {
  const digest = createHash('sha256')
    .update([...ids].sort().join('\n'))
    .digest('hex');
  return { rows: ids.length, counter: Number(counter), digest };
}
