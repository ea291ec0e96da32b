import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { beforeAll, FleetDatabase } from '../packages/bridge/src/fleet/fleet-database.ts';
import { FleetOutbox } from '../packages/bridge/src/fleet/fleet-outbox.ts';
import type { KeysReading } from '../packages/bridge/src/fleet/fleet-rows.ts';
import { silentLogger } from '../packages/bridge/src/log.ts';
import { noCounts } from '../packages/bridge/src/recorder/counts.ts';
import type { StoredKey } from '../packages/bridge/src/recorder/minute-rows.ts';
import { readSharedRecordings } from '../packages/bridge/src/recorder/read-recordings.ts';
import type { Batch } from '../packages/bridge/src/recorder/store-rows.ts';
import { LatencyHistogram, PairedDifference } from '../packages/compare/src/index.ts';
import { type Stage, systemClock } from '../packages/core/src/index.ts';
import { startPostgres } from './embedded-postgres.ts';
import { serverSeconds } from './server-seconds.ts';

// What reading the evidence of many keys and programs costs: fills a shared store on a real PostgreSQL with what so many programs counted
// of so many keys, each in its last hours, and reads it as a program, as `status` and as the console do. Prints time and bytes.
//   node --conditions=@changeover/source scripts/fleet-read.ts --keys 1000 --programs 10 --hours 3

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000' },
    programs: { type: 'string', default: '10' },
    hours: { type: 'string', default: '3' },
    wait: { type: 'boolean', default: false },
  },
});
const [keys, programs, hours] = [values.keys, values.programs, values.hours].map(Number) as [
  number,
  number,
  number,
];
const operations = ['list', 'total', 'add'] as const;
const hourMs = 3_600_000;
const keysAtOnce = 50;

/** What one program counted of some keys in one hour: three operations with four shapes, those of the first hours at `shadow`. */
function batchOf(program: number, from: number, hoursAgo: number): Batch {
  const nowMs = Date.now() - hoursAgo * hourMs;
  const stage: Stage = hoursAgo > 1 ? 'shadow' : 'reverse';
  const names = Array.from({ length: Math.min(keysAtOnce, keys - from) }, (_, at) => from + at);
  const calls = 30 + program;
  const cells = names.flatMap((key) =>
    operations.map((operation, at) => ({
      ...place(key, operation, stage),
      part: (hoursAgo * keys + key) * operations.length + at + 1,
      hour: Math.floor(nowMs / hourMs),
      counts: {
        ...noCounts(),
        calls,
        eligible: calls,
        sampled: calls,
        compared: calls,
        match: calls,
      },
      legacy: latency(key + program, calls),
      pooled: latency(key + at, calls),
      paired: new PairedDifference(),
    })),
  );
  const shapes = names.flatMap((key) =>
    [...operations, 'list'].map((operation, at) => ({
      ...place(key, operation, stage),
      part: (Number(hoursAgo > 1) * keys + key) * 4 + at + 1,
      shape: `select * from ${operation} where id = ? and kind = ${String(at)}`,
      totals: {
        ...{ calls, eligible: calls, compared: calls, match: calls, mismatch: 0, raced: 0 },
        ...{ nondeterministic: 0, inconclusive: 0, failed: 0 },
      },
      notComparable: undefined,
      firstAt: nowMs - hourMs,
      lastAt: nowMs,
    })),
  );
  const none = { groups: [], samples: [], events: [], rules: [], reliance: [] };
  return { writer: writerOf(program), cells, shapes, ...none };
}

function place(
  key: number,
  operation: string,
  stage: Stage,
): { backend: string; dataset: string; operation: string; stage: Stage } {
  return { backend: 'orders', dataset: `tenant-${String(key).padStart(4, '0')}`, operation, stage };
}

function writerOf(program: number): Batch['writer'] {
  const [writer, nowMs] = [`program-${String(program)}`, Date.now()];
  const about = { host: 'host', pid: program, node: process.version, samplesOverLimit: 0 };
  return { writer, run: writer, ...about, startedAt: nowMs - hours * hourMs, lastAt: nowMs };
}

function latency(turn: number, calls: number): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (let at = 0; at < calls; at += 1) histogram.record(1 + ((turn * 7 + at * 13) % 97) / 20);
  return histogram;
}

/** Hour by hour: of hours that are over some process adds up the rows. */
async function fill(database: FleetDatabase): Promise<void> {
  const outboxes = Array.from(
    { length: programs },
    () => new FleetOutbox(systemClock, () => undefined),
  );
  let message = 0;
  for (let hour = hours - 1; hour >= 0; hour -= 1) {
    for (const [program, outbox] of outboxes.entries()) {
      const { writer: w, lastAt: t } = writerOf(program);
      const about = { w, t, o: 0, i: Object.values(writerOf(program)).slice(1, 6) };
      const openFrom = Math.floor(Date.now() / hourMs) - hour;
      for (let from = 0; from < keys; from += keysAtOnce) {
        outbox.write(batchOf(program, from, hour));
        const part = outbox.take(true);
        await database.exchange(
          JSON.stringify({ ...about, j: (message += 1), p: openFrom, ...part.fields }),
        );
        part.stored();
      }
    }
    await addUp(database);
  }
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('vacuum analyze');
  await client.end();
}

async function addUp(database: FleetDatabase): Promise<void> {
  const [startedMs, serverBefore] = [performance.now(), serverSeconds(server.folder) ?? NaN];
  let [rows, statements, longestMs] = [0, 0, 0];
  for (let folded: number | undefined = 1; folded !== 0; rows += folded ?? 0) {
    const beganMs = performance.now();
    folded = await database.foldCells();
    statements += 1;
    longestMs = Math.max(longestMs, Math.round(performance.now() - beganMs));
  }
  const ms = Math.round(performance.now() - startedMs);
  const serverCpuMs = Math.round(((serverSeconds(server.folder) ?? NaN) - serverBefore) * 1_000);
  console.log(JSON.stringify({ what: 'added up', rows, statements, longestMs, ms, serverCpuMs }));
}

async function timed<T>(what: string, use: () => Promise<T>): Promise<T> {
  const [before, startedMs] = [process.cpuUsage(), performance.now()];
  const serverBefore = serverSeconds(server.folder) ?? NaN;
  const answer = await use();
  const { user, system } = process.cpuUsage(before);
  const ms = Math.round(performance.now() - startedMs);
  const serverCpuMs = Math.round(((serverSeconds(server.folder) ?? NaN) - serverBefore) * 1_000);
  console.log(
    JSON.stringify({ what, ms, ownCpuMs: Math.round((user + system) / 1_000), serverCpuMs }),
  );
  return answer;
}

const server = await startPostgres({ shared_buffers: '256MB' });
const database = new FleetDatabase(server.url, silentLogger);
try {
  await timed('filled', () => fill(database));
  const { rows } = await database.query(
    `select (select count(*)::int from changeover.cell) as cells, (select count(*)::int from changeover.shape) as shapes`,
  );
  console.log(JSON.stringify({ url: server.url, ...(rows[0] as object) }));
  const own = { own: 'program-3', ownFrom: Math.floor(Date.now() / hourMs) - 1, hoursToldApart: 2 };
  const names = Array.from({ length: 10 }, (_, at) => place(at * 7, 'list', 'shadow'));
  for (const withLatencies of [false, true]) {
    const asked = names.map(({ backend, dataset }) => ({ backend, dataset, timed: withLatencies }));
    const { length, added } = await timed(
      `ten keys whose step waits, latencies: ${String(withLatencies)}`,
      () => database.readKeys({ ...own, keys: asked }),
    );
    console.log(JSON.stringify({ bytes: length, added }));
  }
  let bytes = 0;
  await timed('all keys', async () => {
    for (let last: StoredKey | undefined = beforeAll; last !== undefined;) {
      const read: KeysReading = await database.readNext(last);
      [last, bytes] = [read.last, bytes + read.length];
    }
  });
  console.log(JSON.stringify({ bytes }));
  const data = await timed('what status and the console read', () =>
    readSharedRecordings(server.url),
  );
  console.log(JSON.stringify({ calls: data.totals.calls, cells: data.cells.length }));
  if (values.wait) await new Promise((resolve) => process.stdin.once('data', resolve));
} finally {
  await database.close();
  await server.stop();
}
