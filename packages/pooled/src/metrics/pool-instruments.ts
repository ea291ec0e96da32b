import type { Instrument } from '@changeover/core';

/** A short key of a pool's instrument. */
export type PoolInstrumentKey =
  | 'count'
  | 'idleMax'
  | 'idleMin'
  | 'max'
  | 'pending'
  | 'timeouts'
  | 'createTime'
  | 'waitTime'
  | 'useTime'
  | 'operationDuration'
  | 'evictions'
  | 'openFailures'
  | 'rejections'
  | 'leaks'
  | 'reclaims'
  | 'retries'
  | 'breakerChanges'
  | 'breakers'
  | 'threadWait'
  | 'walSize';

const pool = 'db.client.connection.pool.name';

/** What pools tell of themselves: names and units of OpenTelemetry's semantic conventions for database clients (1.34), and names
 * of the project's own for what these lack. */
export const poolInstruments: Readonly<Record<PoolInstrumentKey, Instrument>> = {
  count: {
    name: 'db.client.connection.count',
    kind: 'gauge',
    unit: '{connection}',
    description: 'Connections that are open, by state (idle, used)',
    attributes: [pool, 'db.client.connection.state'],
  },
  idleMax: {
    name: 'db.client.connection.idle.max',
    kind: 'gauge',
    unit: '{connection}',
    description: 'The most connections that may be open and idle',
    attributes: [pool],
  },
  idleMin: {
    name: 'db.client.connection.idle.min',
    kind: 'gauge',
    unit: '{connection}',
    description: 'Connections that are kept open while idle',
    attributes: [pool],
  },
  max: {
    name: 'db.client.connection.max',
    kind: 'gauge',
    unit: '{connection}',
    description: 'The most connections that may exist',
    attributes: [pool],
  },
  pending: {
    name: 'db.client.connection.pending_requests',
    kind: 'gauge',
    unit: '{request}',
    description: 'Callers that wait for a connection',
    attributes: [pool],
  },
  timeouts: {
    name: 'db.client.connection.timeouts',
    kind: 'counter',
    unit: '{timeout}',
    description: 'Waits for a connection that timed out',
    attributes: [pool],
  },
  createTime: {
    name: 'db.client.connection.create_time',
    kind: 'histogram',
    unit: 's',
    description: 'Time to open a connection',
    attributes: [pool],
  },
  waitTime: {
    name: 'db.client.connection.wait_time',
    kind: 'histogram',
    unit: 's',
    description: 'Time until a caller got a connection',
    attributes: [pool],
  },
  useTime: {
    name: 'db.client.connection.use_time',
    kind: 'histogram',
    unit: 's',
    description: 'Time between borrowing a connection and giving it back',
    attributes: [pool],
  },
  operationDuration: {
    name: 'db.client.operation.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Time of an operation as its caller sees it',
    attributes: ['db.system.name', 'db.operation.name', 'error.type', 'db.namespace'],
  },
  evictions: {
    name: 'changeover.pool.evictions',
    kind: 'counter',
    unit: '{connection}',
    description: 'Connections that the pool closed, by reason',
    attributes: [pool, 'changeover.reason'],
  },
  openFailures: {
    name: 'changeover.pool.open_failures',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Connections that could not be opened',
    attributes: [pool],
  },
  rejections: {
    name: 'changeover.pool.rejections',
    kind: 'counter',
    unit: '{request}',
    description: 'Callers refused because as many waited as may',
    attributes: [pool],
  },
  leaks: {
    name: 'changeover.pool.leaks',
    kind: 'counter',
    unit: '{lease}',
    description: 'Connections held with nothing running on them',
    attributes: [pool],
  },
  reclaims: {
    name: 'changeover.pool.reclaims',
    kind: 'counter',
    unit: '{lease}',
    description: 'Connections taken back from their holders',
    attributes: [pool],
  },
  retries: {
    name: 'changeover.pool.retries',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Further attempts, by what the retry policy said',
    attributes: [pool, 'changeover.retry.action'],
  },
  breakerChanges: {
    name: 'changeover.pool.breaker_changes',
    kind: 'counter',
    unit: '{change}',
    description: 'Circuit breakers that changed, by the state they changed to',
    attributes: [pool, 'changeover.breaker.state'],
  },
  breakers: {
    name: 'changeover.pool.breakers',
    kind: 'gauge',
    unit: '{breaker}',
    description: 'Circuit breakers of the datasets in use, by state',
    attributes: [pool, 'changeover.breaker.state'],
  },
  threadWait: {
    name: 'changeover.duckdb.thread_wait',
    kind: 'histogram',
    unit: 's',
    description: 'Time until a DuckDB query got one of the threads',
    attributes: [],
  },
  walSize: {
    name: 'changeover.sqlite.wal_size',
    kind: 'gauge',
    unit: 'By',
    description: 'Size of the write-ahead logs of the SQLite datasets in use',
    attributes: [],
  },
};
