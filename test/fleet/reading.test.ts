import { setTimeout as wait } from 'node:timers/promises';
import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import { type Stage, systemClock } from '@changeover/core';
import { openRecorder, readSharedRecordings, silentLogger } from '@changeover/bridge';
import { expect, test } from '@jest/globals';
import { FleetDatabase } from '../../packages/bridge/src/fleet/fleet-database.ts';
import { FleetOutbox } from '../../packages/bridge/src/fleet/fleet-outbox.ts';
import { cellOf, shapeOf } from '../../packages/bridge/src/fleet/fleet-rows.ts';
import { foldSilent } from '../../packages/bridge/src/fleet/fold.ts';
import { noCounts } from '../../packages/bridge/src/recorder/counts.ts';
import { HourBook } from '../../packages/bridge/src/recorder/hour-book.ts';
import { ReportBuilder } from '../../packages/bridge/src/recorder/report-builder.ts';
import type { MinuteRow } from '../../packages/bridge/src/recorder/minute-rows.ts';
import type {
  ReportData,
  SliceLatency,
  TimeSlices,
} from '../../packages/bridge/src/recorder/report-data.ts';
import type { Batch, OwnRows } from '../../packages/bridge/src/recorder/store-rows.ts';
import { addStored, type StoredTables } from '../../packages/bridge/src/recorder/stored-tables.ts';
import { ownDatabase } from './own-database.ts';

const url = ownDatabase('reading');
const hourMs = 3_600_000;
const nowMs = Math.floor(Date.now() / hourMs) * hourMs + 1_000;
/** When a key was resumed: what was counted before is told apart. */
const resumedAt = nowMs - 90 * 60_000;

/** What one of several processes counted. */
function batchOf(at: number, keys = 2): Batch {
  const writer = `process-${String(at)}`;
  const latency = (ms: number): LatencyHistogram => {
    const histogram = new LatencyHistogram();
    for (let turn = 0; turn < 4; turn += 1) histogram.record(ms * 2 ** turn);
    return histogram;
  };
  const paired = new PairedDifference();
  for (const difference of [1, 3]) paired.add(0, difference * 2 ** (at % 3));
  const cells = Array.from({ length: keys }, (_, key) => ({ backend: 'notes', key })).flatMap(
    ({ backend, key }) =>
      // This hour, the one before, that of before the resumption, and hours that nobody is shown any more.
      [0, 1, 2, 100 + at].map((hoursAgo) => ({
        backend,
        dataset: `customer-${String(key)}`,
        operation: 'list',
        stage: (hoursAgo > 1 ? 'shadow' : 'reverse') satisfies Stage,
        hoursAgo,
      })),
  );
  return {
    writer: {
      writer,
      run: `run ${String(at)}`,
      host: 'host',
      pid: at,
      node: 'v24',
      startedAt: nowMs - 200 * hourMs,
      lastAt: nowMs,
      samplesOverLimit: at,
    },
    cells: cells.map(({ hoursAgo, ...key }, part) => ({
      ...key,
      part: part + 1,
      hour: Math.floor(nowMs / hourMs) - hoursAgo,
      counts: {
        ...noCounts(),
        calls: 8 + at,
        compared: 4,
        match: 4,
        shed: { ...noCounts().shed, ...(at % 2 === 0 ? { queue: at } : {}) },
      },
      legacy: latency(1),
      pooled: latency(1 + (at % 2)),
      paired,
    })),
    shapes: ['select 1', 'select 2'].map((shape, part) => ({
      backend: 'notes',
      dataset: 'customer-0',
      operation: 'list',
      stage: 'shadow' as const,
      shape,
      part: part + 1,
      totals: {
        calls: 8,
        eligible: 4,
        compared: part * 4,
        match: part * 4,
        mismatch: 0,
        raced: 0,
        nondeterministic: 0,
        inconclusive: 0,
      },
      notComparable: part === 0 ? `why ${String(at)}` : undefined,
      firstAt: nowMs - at,
      lastAt: nowMs + at,
    })),
    groups: [
      {
        fingerprint: 'notes:mismatch:list',
        backend: 'notes',
        operation: 'list',
        verdict: 'mismatch',
        class: 'order',
        count: at + 1,
        firstAt: nowMs - at,
        lastAt: nowMs + at,
        key: 'customer-0',
        shape: undefined,
      },
    ],
    samples: [0, 1].map((sequence) => ({
      fingerprint: 'notes:mismatch:list',
      sequence,
      at: nowMs + 2 * at + sequence,
      dataset: 'customer-0',
      stage: 'shadow',
      summary: `sample ${String(at)}`,
      legacy: '1',
      pooled: '2',
      reason: undefined,
      call: undefined,
    })),
    events: [{ sequence: 1, at: nowMs + at, kind: 'stage', fields: '{"to":"shadow"}' }],
    rules: [{ backend: 'notes', rule: 'ignore-column', uses: at, failures: 1 }],
    reliance: [],
  } as unknown as Batch;
}

/** @param openFrom the first hour of which it says that its rows may still change. Default: it says nothing of that. */
async function store(database: FleetDatabase, batch: Batch, openFrom?: number): Promise<void> {
  const outbox = new FleetOutbox(systemClock, () => undefined);
  outbox.write(batch);
  const { writer, run, host, pid, node, startedAt, lastAt, samplesOverLimit } = batch.writer;
  const { fields } = outbox.take(true);
  const about = { w: writer, t: lastAt, o: samplesOverLimit, i: [run, host, pid, node, startedAt] };
  const open = openFrom === undefined ? {} : { p: openFrom, j: 1 };
  await database.exchange(JSON.stringify({ ...about, ...open, ...fields }));
}

/** Until nothing is left to be added up: how many rows were. */
async function addUp(database: FleetDatabase): Promise<number> {
  for (let sum = 0; ;) {
    const rows = await database.foldCells();
    if (rows === 0) return sum;
    sum += rows ?? 0;
  }
}

async function countOf(database: FleetDatabase, where: string): Promise<number> {
  const { rows } = await database.query(
    `select count(*)::int as n from changeover.cell where ${where}`,
  );
  return (rows[0] as { n: number }).n;
}

/** Cells of hours that are over were last counted in then: those of every second process early in the hour, which is before the
 * resumption in one of the hours, and late in it by the others. */
async function ageCells(database: FleetDatabase): Promise<void> {
  await database.query(
    `update changeover.cell set last_at = least(last_at, (hour + 1) * ${String(hourMs)}::bigint - 1
       - right(writer, 1)::int % 2 * 3000000)`,
  );
  await database.query(
    `insert into changeover.ledger (at, backend, dataset, from_stage, to_stage, held, who, reason, revision, previous)
     values (${String(resumedAt)}, 'notes', 'customer-0', 'legacy', 'shadow', false, 'ada', 'resumed', '', 0)`,
  );
}

/** Every row of every process, as programs of before read them. */
async function everyRow(database: FleetDatabase): Promise<StoredTables> {
  const { rows } = await database.query('select changeover.read_1() a');
  const { a } = rows[0] as { a: StoredTables };
  const cells = [...a.cells].map((row) => cellOf(row as never));
  const shapes = [...a.shapes].map((row) => shapeOf(row as never));
  const writers = [...a.writers].filter(({ writer }) => writer !== '(folded)');
  return { ...a, writers, cells, shapes };
}

/** What one of the processes reads. */
async function readBy(database: FleetDatabase, own: string, ownFrom = 0): Promise<StoredTables> {
  const keys = await database.readKeys({ own, ownFrom, more: 100 });
  return { ...(await database.readOthers(own)).tables, ...keys.tables };
}

/** Figures to ten digits: a mean of means has its last ones from the order in which they are added. */
function report(tables: StoredTables, own?: OwnRows): ReportData {
  const resumed = (_backend: string, dataset: string): number | undefined =>
    dataset === 'customer-0' ? resumedAt : undefined;
  const builder = new ReportBuilder(20, { resumedAt: resumed, hours: new HourBook(nowMs) });
  addStored(builder, tables, own);
  const text = JSON.stringify(builder.build(nowMs), (_name, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(10)) : value,
  );
  const data = JSON.parse(text) as ReportData;
  // In no order.
  const nameOf = (one: object): string => JSON.stringify(one);
  const cells = data.recent?.cells.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return { ...data, recent: { cells: cells ?? [], minutes: data.recent?.minutes ?? [] } };
}

test.each([
  ['all of whom live', 0],
  ['some of whom are gone', 3],
])('what many processes counted is the same added up by the store: %s', async (_who, gone) => {
  const database = new FleetDatabase(url(), silentLogger);
  try {
    for (let at = 0; at < 8; at += 1) await store(database, batchOf(at));
    await ageCells(database);
    await database.query(
      `update changeover.writer set seen = seen - interval '1 hour' where pid < ${String(gone)}`,
    );
    if (gone > 0) expect(await foldSilent(database, 60_000)).toBe(gone);
    const every = await everyRow(database);
    const summed = report(await database.readAll());
    expect(summed).toEqual(report(every));
    expect(summed.totals.calls).toBe(8 * (64 + 28));
    expect(summed.judged?.since).toHaveLength(1);

    const own = { writer: 'process-5', parts: new Set([1, 2]), shapeParts: new Set([2]) };
    expect(report(await readBy(database, 'process-5'), own)).toEqual(report(every, own));
    // Hours in which nothing changes any more come added up.
    const late = { ...own, parts: new Set([1, 5]) };
    const hour = Math.floor(nowMs / hourMs);
    expect(report(await readBy(database, 'process-5', hour), late)).toEqual(report(every, late));
  } finally {
    await database.close();
  }
});

/** Latencies of hours that are added up are told less finely. */
function finely(data: ReportData): ReportData {
  const roughly = ({ count, p50Ms }: SliceLatency): object => ({
    count,
    p50: p50Ms === undefined ? undefined : Math.round(Math.log2(p50Ms) * 2),
  });
  const slices = ({ byBackend, byDataset }: TimeSlices): object =>
    [byBackend, byDataset].map((list) =>
      list.map((slice) => ({
        ...slice,
        legacy: roughly(slice.legacy),
        pooled: roughly(slice.pooled),
      })),
    );
  return { ...data, hours: data.hours && (slices(data.hours) as unknown as TimeSlices) };
}

test('rows of hours that are over are added up while their processes live: a reader gets the same, of as many rows as there are keys', async () => {
  const database = new FleetDatabase(url(), silentLogger);
  const hour = Math.floor(nowMs / hourMs);
  try {
    for (let at = 0; at < 8; at += 1) await store(database, batchOf(at), at < 6 ? hour : hour - 1);
    await ageCells(database);
    const before = finely(report(await database.readAll()));
    // Of six processes three hours of two keys, of two those of two hours.
    expect(await addUp(database)).toBe(6 * 6 + 2 * 4);
    expect(finely(report(await database.readAll()))).toEqual(before);
    expect(finely(report(await everyRow(database)))).toMatchObject({ totals: before.totals });
    // What was counted before the resumption and after it stays apart, and so do the hour before and this one.
    expect(await countOf(database, `writer = '(folded)'`)).toBeLessThanOrEqual(2 * 2 + 1 + 2 * 8);
    expect(await countOf(database, `writer = '(hours)'`)).toBe(2);
    expect(await countOf(database, `writer like 'process%'`)).toBe(8 * 2 + 2 * 2);

    // Later the others say the same of their rows, an hour passes, and one of them is gone.
    for (const at of [6, 7])
      await database.exchange(
        JSON.stringify({ w: `process-${String(at)}`, t: 1, o: 0, p: hour, j: 2 }),
      );
    await database.query(
      `update changeover.writer set seen = seen - interval '1 hour' where writer = 'process-3'`,
    );
    expect(await foldSilent(database, 60_000)).toBe(1);
    expect(await addUp(database)).toBe(4);
    const later = finely(report(await database.readAll()));
    expect(later).toEqual({
      ...before,
      runs: later.runs,
      hours: later.hours,
      recent: later.recent,
    });
    await database.query('update changeover.cell set hour = hour - 24');
    await database.query('update changeover.writer set open_from = open_from - 24');
    await addUp(database);
    expect(await countOf(database, `writer = '(hours)'`)).toBe(0);
    expect(report(await database.readAll()).totals).toEqual(before.totals);
  } finally {
    await database.close();
  }
});

test('a message that comes after a later one of its process is not taken: what it has may be added up already', async () => {
  const database = new FleetDatabase(url(), silentLogger);
  const hour = Math.floor(nowMs / hourMs);
  try {
    await store(database, batchOf(0), hour);
    const { calls } = report(await database.readAll()).totals;
    await database.exchange(JSON.stringify({ w: 'process-0', t: 1, o: 0, p: hour, j: 3 }));
    await addUp(database);
    const outbox = new FleetOutbox(systemClock, () => undefined);
    outbox.write(batchOf(0));
    const late = { w: 'process-0', t: 1, o: 0, p: hour - 3, j: 2, ...outbox.take(true).fields };
    await expect(database.exchange(JSON.stringify(late))).rejects.toThrow(/a later message/);
    expect(report(await database.readAll()).totals.calls).toBe(calls);
  } finally {
    await database.close();
  }
});

test('minutes of several processes are one, before and after they are added up, and old ones go', async () => {
  const database = new FleetDatabase(url(), silentLogger);
  const minute = Math.floor(Date.now() / 60_000);
  const row = (ago: number, calls: number, latency: string): MinuteRow => ({
    ...{ backend: 'notes', dataset: 'inbox', minute: minute - ago, calls, failed: 1 },
    ...{ compared: calls, mismatch: 0, legacy: latency, pooled: '' },
  });
  const own = { ...batchOf(0), cells: [], shapes: [], groups: [], samples: [], events: [] };
  try {
    for (const [at, minutes] of [
      [row(10, 2, '30:2'), row(10, 3, '28:1 30:2'), row(0, 1, '7:1'), row(500, 9, '')],
      [row(10, 5, '30:1 31:4')],
    ].entries())
      await store(database, {
        ...own,
        minutes,
        writer: { ...own.writer, writer: `process-${String(at)}` },
      });
    const sum = { ...row(10, 8, '28:1 30:3 31:4'), failed: 2, writer: '(folded)' };
    const expected = [sum, { ...row(0, 1, '7:1'), writer: '(folded)' }];
    expect(await database.readMinutes(minute - 100)).toEqual(expected);
    await foldSilent(database, 3_600_000);
    const { rows } = await database.query(
      'select minute, calls::int from changeover.minute order by minute',
    );
    expect(rows).toEqual([
      { minute: minute - 10, calls: 8 },
      { minute, calls: 1 },
    ]);
    expect(await database.readMinutes(minute - 100)).toEqual(expected);
  } finally {
    await database.close();
  }
});

test('a report of a shared store has the minutes, those of the keys called most by name', async () => {
  const recorder = openRecorder({ path: url(), run: 'test', logger: silentLogger });
  for (let at = 0; at < 205; at += 1) {
    const cell = recorder.cell('notes', `key-${String(at)}`, 'list', 'shadow');
    cell.calls += 1 + (at % 2);
    cell.pooledLatency.record(5);
  }
  recorder.close();
  let slices: TimeSlices | undefined;
  while (slices === undefined || slices.byBackend.length === 0) {
    await wait(50);
    slices = (await readSharedRecordings(url())).minutes;
  }
  const sum = slices.byDataset.reduce((all, { calls }) => all + calls, 0);
  expect([sum, slices.byDataset.length]).toEqual([205 + 102, 201]);
  const others = slices.byDataset.find(({ dataset }) => dataset === '(others)');
  expect(others).toMatchObject({ calls: 5, pooled: { count: 5 } });
});

async function lengthOf(database: FleetDatabase): Promise<number> {
  const keys = await database.readKeys({ more: 100 });
  return keys.length + (await database.readOthers()).length;
}

test('of a process that counts the same as others a reader gets the name and what it met, and no counts', async () => {
  const database = new FleetDatabase(url(), silentLogger);
  try {
    const lengths: number[] = [];
    for (let at = 0; at < 60; at += 1) {
      if (at === 20 || at === 40) lengths.push(await lengthOf(database));
      // Hours that only one process counted in are summed with those of others, as nobody is shown them.
      await store(database, { ...batchOf(at, 5), samples: [], events: [] });
    }
    lengths.push(await lengthOf(database));
    const { added } = await database.readKeys({ more: 100 });
    expect(added).toEqual({ timed: 60 * 5 * 4, plain: 60 * 2 });
    const [twenty = 0, forty = 0, sixty = 0] = lengths;
    expect(forty - twenty).toBeLessThan(20 * 200);
    expect(sixty - forty).toBeLessThan(20 * 200);
  } finally {
    await database.close();
  }
});
