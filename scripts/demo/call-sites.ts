// Code as it stood before the migration: it knows nothing of legs, flags or stages. Only the import has changed, from the
// legacy singleton to the drop-in.
import {
  type ColumnAnalysis,
  type Engine,
  type InputValue,
  type Row,
  StorageBackend,
} from 'changeover';

export async function loadInBatches(
  engine: Engine,
  dataset: string,
  table: string,
  rows: readonly Record<string, InputValue>[],
  batch = 10_000,
): Promise<void> {
  const storage = StorageBackend.getInstance(engine);
  if (await storage.datasetExists(dataset)) await storage.dropDataset(dataset);
  await storage.createDataset(dataset);
  for (let at = 0; at < rows.length; at += batch) {
    await storage.writeTable(dataset, table, rows.slice(at, at + batch), {
      ifExists: at === 0 ? 'fail' : 'append',
    });
  }
}

export async function describeTable(
  engine: Engine,
  dataset: string,
  table: string,
): Promise<number> {
  const storage = StorageBackend.getInstance(engine);
  if (!(await storage.tableExists(dataset, table))) throw new Error(`${dataset} has lost ${table}`);
  const info = await storage.getTableInfo(dataset, table);
  const columns = await storage.getColumns(dataset, table);
  if (columns.length !== info.columnCount)
    throw new Error(`${dataset} has ${columns.length} columns`);
  return info.rowCount;
}

export async function sample(
  engine: Engine,
  dataset: string,
  table: string,
  size: number,
): Promise<Row[]> {
  return await StorageBackend.getInstance(engine).readTable(dataset, table, { limit: size });
}

export async function everything(engine: Engine, dataset: string): Promise<Row[]> {
  return await StorageBackend.getInstance(engine).readData(dataset);
}

export async function statistics(
  engine: Engine,
  dataset: string,
  table: string,
  column: string,
): Promise<ColumnAnalysis> {
  return await StorageBackend.getInstance(engine).analyzeColumn(dataset, table, column);
}

export async function frequent(
  engine: Engine,
  dataset: string,
  table: string,
  column: string,
): Promise<Row[]> {
  const name = `"${column.replaceAll('"', '""')}"`;
  const { rows } = await StorageBackend.getInstance(engine).query(
    dataset,
    `SELECT ${name} AS value, count(*) AS times FROM "${table}" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20`,
  );
  return rows;
}

export async function entry(engine: Engine, dataset: string, id: number): Promise<Row | undefined> {
  const [row] = await StorageBackend.getInstance(engine).readTable(dataset, 'activity', {
    where: { id },
  });
  return row;
}

export async function createActivity(engine: Engine, dataset: string): Promise<void> {
  await StorageBackend.getInstance(engine).writeTable(dataset, 'activity', {
    id: [1],
    amount: [0],
    note: ['begin'],
  });
}

export async function addEntry(
  engine: Engine,
  dataset: string,
  id: number,
  amount: number,
  note: string,
): Promise<number> {
  const marks = engine === 'postgresql' ? ['$1', '$2', '$3'] : ['?', '?', '?'];
  return await StorageBackend.getInstance(engine).execute(
    dataset,
    `INSERT INTO activity (id, amount, note) VALUES (${marks.join(', ')})`,
    [id, amount, note],
  );
}

export async function changeEntry(
  engine: Engine,
  dataset: string,
  id: number,
  by: number,
): Promise<number> {
  const [first, second] = engine === 'postgresql' ? (['$1', '$2'] as const) : (['?', '?'] as const);
  return await StorageBackend.getInstance(engine).execute(
    dataset,
    `UPDATE activity SET amount = amount + ${first} WHERE id = ${second}`,
    [by, id],
  );
}

export async function addEntries(
  engine: Engine,
  dataset: string,
  entries: readonly { id: number; amount: number; note: string }[],
): Promise<void> {
  await StorageBackend.getInstance(engine).writeTable(dataset, 'activity', entries, {
    ifExists: 'append',
  });
}

/** Moves an amount between two entries, or nothing where `fail` says so. */
export async function transfer(
  engine: Engine,
  dataset: string,
  from: number,
  to: number,
  amount: number,
  fail: boolean,
): Promise<void> {
  const [first, second] = engine === 'postgresql' ? (['$1', '$2'] as const) : (['?', '?'] as const);
  const sql = `UPDATE activity SET amount = amount + ${first} WHERE id = ${second}`;
  await StorageBackend.getInstance(engine).transaction(dataset, async (transaction) => {
    await transaction.execute(sql, [-amount, from]);
    await transaction.execute(sql, [amount, to]);
    if (fail) throw new ChangedMind();
  });
}

/** What a caller throws to have a transaction rolled back. */
export class ChangedMind extends Error {}

export async function remember(
  engine: Engine,
  dataset: string,
  key: string,
  value: number,
): Promise<void> {
  await StorageBackend.getInstance(engine).updateMetadata(dataset, { [key]: value });
}

export async function recall(engine: Engine, dataset: string): Promise<Record<string, unknown>> {
  return await StorageBackend.getInstance(engine).getMetadata(dataset);
}

export async function tables(engine: Engine, dataset: string): Promise<string[]> {
  return await StorageBackend.getInstance(engine).listTables(dataset);
}
