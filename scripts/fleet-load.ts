import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { FleetDatabase } from '../packages/bridge/src/fleet/fleet-database.ts';
import { FleetOutbox } from '../packages/bridge/src/fleet/fleet-outbox.ts';
import { silentLogger } from '../packages/bridge/src/log.ts';
import { noCounts } from '../packages/bridge/src/recorder/counts.ts';
import { LatencyHistogram, PairedDifference } from '../packages/compare/src/index.ts';
import { systemClock } from '../packages/core/src/index.ts';
import { startPgbouncer } from '../test/kit/pgbouncer.ts';
import { startPostgres } from './embedded-postgres.ts';
import { serverSeconds } from './server-seconds.ts';

// What many processes cost the shared store: one generator says what each of them would say, once a second, to a real
// PostgreSQL, over a few connections as a pooler would: counts, shapes, latencies, guardrail windows, and whether others are silent.
// Prints statements, bytes, latency, and what the server spent: CPU and, once it is warm, log and updates in place.
// With `--pgbouncer` each process has a connection of its own to PgBouncer, which has ten to the server.
//   node --conditions=@changeover/source scripts/fleet-load.ts --processes 1000 --seconds 60 --cells 5 --pgbouncer

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    cells: { type: 'string', default: '5' },
    connections: { type: 'string', default: '10' },
    pgbouncer: { type: 'boolean', default: false },
  },
});
const [processes, seconds, cells, connections] = [
  values.processes,
  values.seconds,
  values.cells,
  values.connections,
].map(Number) as [number, number, number, number];

interface Simulated {
  readonly outbox: FleetOutbox;
  readonly writer: string;
  introduced: boolean;
  calls: number;
  from: string;
  turn: number;
  readonly pool: pg.Pool;
}

const server = await startPostgres({
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
});
const prepared = new FleetDatabase(server.url, silentLogger);
await prepared.exchange('{"x":"0"}');
const pool = new pg.Pool({ connectionString: server.url, max: connections });
pool.on('error', () => undefined);
const pooler = values.pgbouncer
  ? await startPgbouncer({
      url: server.url,
      settings: {
        max_client_conn: String(processes + 10),
        default_pool_size: String(connections),
        reserve_pool_size: '0',
      },
    })
  : undefined;
const fleet: Simulated[] = Array.from({ length: processes }, (_, at) => ({
  outbox: new FleetOutbox(systemClock, () => undefined),
  writer: `simulated-process-${String(at).padStart(18, '0')}`,
  introduced: false,
  calls: 0,
  from: '0',
  // Processes don't all do the same in the same second.
  turn: at,
  pool: pooler === undefined ? pool : ownConnection(pooler.url),
}));
const took: number[] = [];
const [sent, received] = [{ bytes: 0 }, { bytes: 0 }];
let late = 0;

/** A real process asks every ten seconds, and tells its windows every five. */
const [heartbeatTurns, windowTurns] = [10, 5];
const windows = Array.from({ length: cells }, (_, at) => [
  'notes',
  `customer-${String(at)}`,
  { c: 300, f: 0, k: 9_000, g: 1, m: 0, o: { list: [300, 1.25, 9_000, 12_345.5] } },
]);

const latency = new LatencyHistogram();
for (let at = 1; at < 60; at += 1) latency.record(at);

function ownConnection(url: string): pg.Pool {
  const own = new pg.Pool({ connectionString: url, max: 1, idleTimeoutMillis: 0 });
  own.on('error', () => undefined);
  return own;
}

/** Each cell was counted in since, and one shape of each. */
function count(one: Simulated): void {
  const nowMs = Date.now();
  one.calls += 37;
  const key = (
    at: number,
  ): { backend: string; dataset: string; operation: string; stage: 'shadow' } => ({
    backend: 'notes',
    dataset: `customer-${String(at)}`,
    operation: 'list',
    stage: 'shadow',
  });
  const rows = Array.from({ length: cells }, (_, at) => at);
  one.outbox.write({
    writer: {
      writer: one.writer,
      run: one.writer,
      host: 'host',
      pid: 1,
      node: process.version,
      startedAt: nowMs,
      lastAt: nowMs,
      samplesOverLimit: 0,
    },
    cells: rows.map((at) => ({
      ...key(at),
      part: at + 1,
      hour: Math.floor(nowMs / 3_600_000),
      counts: {
        ...noCounts(),
        calls: one.calls,
        eligible: one.calls,
        sampled: one.calls,
        compared: one.calls,
        match: one.calls,
      },
      legacy: latency,
      pooled: latency,
      paired: new PairedDifference(),
    })),
    shapes: rows.map((at) => ({
      ...key(at),
      part: at + 1,
      shape: '',
      totals: {
        calls: one.calls,
        eligible: one.calls,
        compared: one.calls,
        match: one.calls,
        mismatch: 0,
        raced: 0,
        nondeterministic: 0,
        inconclusive: 0,
        failed: 0,
      },
      notComparable: undefined,
      firstAt: nowMs,
      lastAt: nowMs,
    })),
    groups: [],
    samples: [],
    events: [],
    rules: [],
    reliance: [],
  });
}

async function exchange(one: Simulated): Promise<void> {
  count(one);
  const part = one.outbox.take();
  one.turn += 1;
  const message = JSON.stringify({
    w: one.writer,
    t: Date.now(),
    o: 0,
    ...(one.turn % heartbeatTurns === 0 ? { d: 60 } : {}),
    ...(one.turn % windowTurns === 0 ? { v: windows } : {}),
    ...(one.introduced ? {} : { i: [one.writer, 'host', 1, process.version, Date.now()] }),
    ...part.fields,
    x: one.from,
  });
  const startedMs = performance.now();
  const { rows } = await one.pool.query('select changeover.exchange_1($1) a', [message]);
  took.push(performance.now() - startedMs);
  const answer = (rows[0] as { a: { x: string } }).a;
  one.from = answer.x;
  one.introduced = true;
  part.stored();
  sent.bytes += message.length;
  received.bytes += JSON.stringify(answer).length;
}

async function spent(): Promise<{ readonly wal: number; readonly cpu: number | undefined }> {
  const { rows } = await pool.query(`select (pg_current_wal_lsn() - '0/0')::float8 as wal`);
  return { wal: (rows[0] as { wal: number }).wal, cpu: serverSeconds(server.folder) };
}

const before = await spent();
const ownBefore = process.cpuUsage();
const startedMs = performance.now();
let statements = 0;
const running = new Set<Promise<void>>();
for (let tick = 0; tick < seconds * 100; tick += 1) {
  const dueMs = startedMs + tick * 10;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  else late = Math.max(late, -waitMs);
  for (let at = tick % 100; at < processes; at += 100) {
    const one = fleet[at];
    if (one === undefined) continue;
    statements += 1;
    const done = exchange(one).finally(() => running.delete(done));
    running.add(done);
  }
}
await Promise.all(running);
const elapsed = (performance.now() - startedMs) / 1_000;
const after = await spent();
const own = process.cpuUsage(ownBefore);
const sorted = took.sort((a, b) => a - b);
const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
const size = await pool.query(
  `select pg_size_pretty(sum(pg_total_relation_size(c.oid))) as size from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname = 'changeover' and c.relkind = 'r'`,
);
const tables = await pool.query(
  `select relname as name, n_tup_upd as updates, n_tup_hot_upd as hot, n_dead_tup as dead, autovacuum_count as vacuums,
     pg_relation_size(relid) as bytes, pg_indexes_size(relid) as indexes
   from pg_stat_user_tables where schemaname = 'changeover' and n_tup_upd > 0 order by 1`,
);
const readStartedMs = performance.now();
const [keys, others] = [await prepared.readKeys({ more: cells }), await prepared.readOthers()];
const figures = {
  processes,
  cells,
  seconds: Number(elapsed.toFixed(1)),
  statementsASecond: Math.round(statements / elapsed),
  sentBytesAProcessASecond: Math.round(sent.bytes / processes / elapsed),
  receivedBytesAProcessASecond: Math.round(received.bytes / processes / elapsed),
  exchangeMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99) },
  generatorLateMs: Math.round(late),
  serverCpuMsAStatement: per(after.cpu, before.cpu, statements / 1_000),
  serverCores: per(after.cpu, before.cpu, elapsed),
  generatorCores: Number(((own.user + own.system) / 1e6 / elapsed).toFixed(2)),
  walBytesAStatement: Math.round((after.wal - before.wal) / statements),
  updates: tables.rows,
  tables: (size.rows[0] as { size: string }).size,
  readAll: {
    bytes: keys.length + others.length,
    ms: Math.round(performance.now() - readStartedMs),
  },
};

function per(end: number | undefined, start: number | undefined, by: number): number | undefined {
  return end === undefined || start === undefined
    ? undefined
    : Number(((end - start) / by).toFixed(3));
}

console.log(JSON.stringify(figures, null, 2));
for (const one of new Set([pool, ...fleet.map((process) => process.pool)])) await one.end();
await pooler?.stop();
await prepared.close();
await server.stop();
