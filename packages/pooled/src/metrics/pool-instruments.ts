/** What is measured: names and units of OpenTelemetry's semantic conventions for database clients (1.34), and names of the
 * project's own for what these lack. */
export interface PoolInstrument {
  readonly name: string;
  /** `counter` only grows, `gauge` is read when asked for, `histogram` takes durations in seconds. */
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly description: string;
}

/** An instrument's short key. */
export type InstrumentKey =
  | 'count' | 'idleMax' | 'idleMin' | 'max' | 'pending' | 'timeouts' | 'createTime' | 'waitTime' | 'useTime'
  | 'operationDuration' | 'evictions' | 'openFailures' | 'rejections' | 'leaks' | 'reclaims' | 'retries' | 'breakerChanges' | 'breakers'
  | 'threadWait' | 'walSize';

/** Upper bounds in seconds: the conventions' advice for operations, and one step finer, since a point read takes µs. */
export const durationBoundsS: readonly number[] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** Every instrument, by a short key. */
export const poolInstruments: Readonly<Record<InstrumentKey, PoolInstrument>> = {
  count: { name: 'db.client.connection.count', kind: 'gauge', unit: '{connection}',
    description: 'Connections that are open, by state (idle, used)' },
  idleMax: { name: 'db.client.connection.idle.max', kind: 'gauge', unit: '{connection}',
    description: 'The most connections that may be open and idle' },
  idleMin: { name: 'db.client.connection.idle.min', kind: 'gauge', unit: '{connection}',
    description: 'Connections that are kept open while idle' },
  max: { name: 'db.client.connection.max', kind: 'gauge', unit: '{connection}',
    description: 'The most connections that may exist' },
  pending: { name: 'db.client.connection.pending_requests', kind: 'gauge', unit: '{request}',
    description: 'Callers that wait for a connection' },
  timeouts: { name: 'db.client.connection.timeouts', kind: 'counter', unit: '{timeout}',
    description: 'Waits for a connection that timed out' },
  createTime: { name: 'db.client.connection.create_time', kind: 'histogram', unit: 's',
    description: 'Time to open a connection' },
  waitTime: { name: 'db.client.connection.wait_time', kind: 'histogram', unit: 's',
    description: 'Time until a caller got a connection' },
  useTime: { name: 'db.client.connection.use_time', kind: 'histogram', unit: 's',
    description: 'Time between borrowing a connection and giving it back' },
  operationDuration: { name: 'db.client.operation.duration', kind: 'histogram', unit: 's',
    description: 'Time of an operation as its caller sees it' },
  evictions: { name: 'changeover.pool.evictions', kind: 'counter', unit: '{connection}',
    description: 'Connections that the pool closed, by reason' },
  openFailures: { name: 'changeover.pool.open_failures', kind: 'counter', unit: '{attempt}',
    description: 'Connections that could not be opened' },
  rejections: { name: 'changeover.pool.rejections', kind: 'counter', unit: '{request}',
    description: 'Callers refused because as many waited as may' },
  leaks: { name: 'changeover.pool.leaks', kind: 'counter', unit: '{lease}',
    description: 'Connections held with nothing running on them' },
  reclaims: { name: 'changeover.pool.reclaims', kind: 'counter', unit: '{lease}',
    description: 'Connections taken back from their holders' },
  retries: { name: 'changeover.pool.retries', kind: 'counter', unit: '{attempt}',
    description: 'Further attempts, by what the retry policy said' },
  breakerChanges: { name: 'changeover.pool.breaker_changes', kind: 'counter', unit: '{change}',
    description: 'Circuit breakers that changed, by the state they changed to' },
  breakers: { name: 'changeover.pool.breakers', kind: 'gauge', unit: '{breaker}',
    description: 'Circuit breakers of the datasets in use, by state' },
  threadWait: { name: 'changeover.duckdb.thread_wait', kind: 'histogram', unit: 's',
    description: 'Time until a DuckDB query got one of the threads' },
  walSize: { name: 'changeover.sqlite.wal_size', kind: 'gauge', unit: 'By',
    description: 'Size of the write-ahead logs of the SQLite datasets in use' },
};

/** Labels of a measurement. */
export type Attributes = Readonly<Record<string, string>>;

/** One reading of a gauge. */
export interface Reading {
  readonly value: number;
  readonly attributes: Attributes;
}

/** Where measurements go. */
export interface InstrumentSink {
  add(instrument: InstrumentKey, attributes: Attributes): void;
  record(instrument: InstrumentKey, seconds: number, attributes: Attributes): void;
  /** Calls `read` whenever gauges are collected, until the result is called. */
  observe(read: (instrument: InstrumentKey) => readonly Reading[]): () => void;
}
