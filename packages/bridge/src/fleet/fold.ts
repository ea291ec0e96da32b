import type { PoolClient } from 'pg';
import { LatencyHistogram, type LatencyHistogramJson } from '@changeover/compare';
import { PairedDifference, type PairedDifferenceJson } from '@changeover/compare';
import type { FleetDatabase } from './fleet-database.ts';
import { expiredHours, foldLock, hoursAPeriod } from './fleet-hours.ts';
import { foldMinutes } from './fleet-minutes.ts';
import type { FleetCell, FleetShape } from './fleet-rows.ts';
import { expiredRepeats } from './fleet-repeats.ts';
import { epochOf, foldedWriter } from './fleet-read.ts';

/** So many processes are folded in one transaction; what is left is somebody's next turn. */
const maxFoldedAtOnce = 20;

interface Epoch {
  readonly epoch: string | number;
}

/**
 * Adds up the rows of processes that said nothing for `silentMs`, into one row a key, month and ledger line. Done by one process at
 * a time, in one transaction, whoever finds them; a process that was only cut off learns of it by its next message. The
 * rows themselves stay for a day, as marks of what was added.
 *
 * @returns how many were folded. @throws the driver's error.
 */
export async function foldSilent(database: FleetDatabase, silentMs: number): Promise<number> {
  const { schema } = database;
  return await database.transaction(async (client) => {
    const lock = await client.query(`select ${foldLock(schema)} as mine`);
    if (!(lock.rows[0] as { mine: boolean }).mine) return 0;
    const { rows } = await client.query(
      `update ${schema}.writer set folded = true, folded_at = clock_timestamp() where writer in (
         select writer from ${schema}.writer
         where not folded and seen < clock_timestamp() - make_interval(secs => $1)
         order by seen limit ${String(maxFoldedAtOnce)} for update skip locked) returning writer`,
      [silentMs / 1_000],
    );
    const silent = rows.map((row) => (row as { writer: string }).writer);
    if (silent.length > 0) {
      await foldCells(client, schema, silent);
      await foldShapes(client, schema, silent);
      await foldSums(client, schema, silent);
    }
    await foldMinutes(client, schema);
    await removeOld(client, schema);
    return silent.length;
  });
}

async function rowsToFold<Row>(
  client: PoolClient,
  schema: string,
  table: 'cell' | 'shape',
  silent: readonly string[],
): Promise<(Row & Epoch)[]> {
  const { rows } = await client.query(
    `select to_jsonb(c) as row, ${epochOf(schema)} from ${schema}.${table} c
     where not folded and (writer = any($1) or writer = $2 and (backend, dataset, operation, stage) in (
       select backend, dataset, operation, stage from ${schema}.${table} where writer = any($1) and not folded))
     order by (writer = $2) desc`,
    [silent, foldedWriter],
  );
  return (rows as ({ row: Row } & Epoch)[]).map(({ row, epoch: at }) => ({ ...row, epoch: at }));
}

async function nextPart(client: PoolClient, schema: string, table: string): Promise<number> {
  const { rows } = await client.query(
    `select coalesce(max(part), 0) + 1 as next from ${schema}.${table} where writer = $1`,
    [foldedWriter],
  );
  return Number((rows[0] as { next: unknown }).next);
}

/** Adds up rows with the same key; those that are folded already come first and lend their part. */
function addUp<Row extends { readonly writer: string; readonly part: number }>(
  rows: readonly Row[],
  firstPart: number,
  keyOf: (row: Row) => string,
  add: (sum: Row, more: Row) => Row,
): Row[] {
  const sums = new Map<string, Row>();
  const changed = new Set<string>();
  let part = firstPart;
  for (const row of rows) {
    const key = keyOf(row);
    const sum = sums.get(key);
    if (row.writer !== foldedWriter) changed.add(key);
    if (sum === undefined) {
      const isFolded = row.writer === foldedWriter;
      sums.set(key, isFolded ? row : { ...row, part });
      if (!isFolded) part += 1;
    } else if (row.writer === foldedWriter) {
      // Two folded rows under one key: lines of the ledger came late. Both stay.
      sums.set(`${key}\0${String(row.part)}`, row);
    } else sums.set(key, add(sum, row));
  }
  return [...sums].filter(([key]) => changed.has(key)).map(([, row]) => row);
}

async function foldCells(client: PoolClient, schema: string, silent: string[]): Promise<void> {
  const rows = await rowsToFold<FleetCell>(client, schema, 'cell', silent);
  const sums = addUp(
    rows,
    await nextPart(client, schema, 'cell'),
    (row) => JSON.stringify([keyOf(row), Math.floor(row.hour / hoursAPeriod), Number(row.epoch)]),
    (sum, more) => ({
      ...sum,
      counts: addLists(sum.counts, more.counts),
      shed: addShed(sum.shed, more.shed),
      legacy: addLatency(sum.legacy, more.legacy),
      pooled: addLatency(sum.pooled, more.pooled),
      paired: addPaired(sum.paired, more.paired),
      hour: Math.max(sum.hour, more.hour),
      last_at: Math.max(sum.last_at, more.last_at),
    }),
  );
  await putFolded(client, `${schema}.cell`, sums);
  await client.query(`update ${schema}.cell set folded = true where writer = any($1)`, [silent]);
}

async function foldShapes(client: PoolClient, schema: string, silent: string[]): Promise<void> {
  const rows = await rowsToFold<FleetShape>(client, schema, 'shape', silent);
  const sums = addUp(
    rows,
    await nextPart(client, schema, 'shape'),
    (row) => JSON.stringify([keyOf(row), row.shape, Number(row.epoch)]),
    (sum, more) => ({
      ...sum,
      counts: addLists(sum.counts, more.counts),
      not_comparable: sum.not_comparable ?? more.not_comparable,
      first_at: Math.min(sum.first_at, more.first_at),
      last_at: Math.max(sum.last_at, more.last_at),
    }),
  );
  await putFolded(client, `${schema}.shape`, sums);
  await client.query(`update ${schema}.shape set folded = true where writer = any($1)`, [silent]);
}

/** Columns that a later version added are kept as they were in the first of the rows. */
async function putFolded(
  client: PoolClient,
  table: string,
  rows: readonly (object & { readonly part: number })[],
): Promise<void> {
  if (rows.length === 0) return;
  const text = JSON.stringify(rows.map((row) => ({ ...row, writer: foldedWriter, folded: false })));
  await client.query(`delete from ${table} where writer = $1 and part = any($2)`, [
    foldedWriter,
    rows.map(({ part }) => part),
  ]);
  await client.query(
    `insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
    [text],
  );
}

/** What is but a number can be added up where it is. */
async function foldSums(client: PoolClient, schema: string, silent: string[]): Promise<void> {
  await client.query(
    `insert into ${schema}.sample_group as g
       (writer, fingerprint, backend, operation, verdict, class, count, first_at, last_at, dataset, shape)
     select $2, fingerprint, min(backend), min(operation), min(verdict), min(class), sum(count), min(first_at), max(last_at),
       min(dataset), min(shape)
     from ${schema}.sample_group where writer = any($1) and not folded group by fingerprint
     on conflict (writer, fingerprint) do update set count = g.count + excluded.count,
       first_at = least(g.first_at, excluded.first_at), last_at = greatest(g.last_at, excluded.last_at)`,
    [silent, foldedWriter],
  );
  await client.query(
    `insert into ${schema}.rule_use as r (writer, backend, rule, uses, failures)
     select $2, backend, rule, sum(uses), sum(failures)
     from ${schema}.rule_use where writer = any($1) and not folded group by backend, rule
     on conflict (writer, backend, rule) do update
       set uses = r.uses + excluded.uses, failures = r.failures + excluded.failures`,
    [silent, foldedWriter],
  );
  for (const table of ['sample_group', 'rule_use'])
    await client.query(`update ${schema}.${table} set folded = true where writer = any($1)`, [
      silent,
    ]);
  await client.query(`delete from ${schema}.guardrail_window where writer = any($1)`, [silent]);
  // A few samples of a fingerprint are kept, whoever took them.
  await client.query(
    `delete from ${schema}.sample where (writer, fingerprint, sequence) in (
       select writer, fingerprint, sequence from (
         select s.writer, fingerprint, sequence, row_number() over (partition by fingerprint order by s.at) as place
         from ${schema}.sample s join ${schema}.writer w on w.writer = s.writer and w.folded) ranked
       where place > 20)`,
  );
}

/** Marks go after a day, and everything after ninety. */
async function removeOld(client: PoolClient, schema: string): Promise<void> {
  for (const table of ['cell', 'shape', 'sample_group', 'rule_use'])
    await client.query(
      `delete from ${schema}.${table} t using ${schema}.writer w
       where t.folded and w.writer = t.writer and w.folded_at < clock_timestamp() - interval '1 day'`,
    );
  const old = `(extract(epoch from clock_timestamp()) - 90 * 86400) * 1000`;
  for (const [table, column] of [
    ['cell', 'last_at'],
    ['shape', 'last_at'],
    ['sample_group', 'last_at'],
    ['sample', 'at'],
    ['event', 'at'],
    ['reliance', 'last_at'],
  ] as const)
    await client.query(`delete from ${schema}.${table} where ${column} < ${old}`);
  await client.query(expiredRepeats(schema));
  await client.query(expiredHours(schema));
  await client.query(
    `delete from ${schema}.writer where folded and folded_at < clock_timestamp() - interval '90 days'`,
  );
}

function keyOf(row: FleetCell | FleetShape): readonly string[] {
  return [row.backend, row.dataset, row.operation, row.stage];
}

function addLists(a: readonly number[], b: readonly number[]): number[] {
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_, at) => (a[at] ?? 0) + (b[at] ?? 0));
}

function addShed(a: FleetCell['shed'], b: FleetCell['shed']): FleetCell['shed'] {
  if (a === null || b === null) return a ?? b;
  const sum: Record<string, number> = { ...a };
  for (const [reason, count] of Object.entries(b)) sum[reason] = (sum[reason] ?? 0) + count;
  return sum;
}

function addLatency(a: unknown, b: unknown): unknown {
  if (a === null || b === null) return a ?? b;
  const sum = LatencyHistogram.fromJSON(a as LatencyHistogramJson);
  sum.merge(LatencyHistogram.fromJSON(b as LatencyHistogramJson));
  return sum.toJSON();
}

function addPaired(a: unknown, b: unknown): unknown {
  if (a === null || b === null) return a ?? b;
  const sum = PairedDifference.fromJSON(a as PairedDifferenceJson);
  sum.merge(PairedDifference.fromJSON(b as PairedDifferenceJson));
  return sum.toJSON();
}
