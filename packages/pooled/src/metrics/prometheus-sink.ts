import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { durationBoundsS, poolInstruments } from './pool-instruments.ts';
import type { Attributes, InstrumentKey, InstrumentSink, Reading } from './pool-instruments.ts';

/** Every label that any instrument has, which Prometheus wants to know beforehand. */
const labels: Readonly<Record<string, readonly string[]>> = {
  count: ['db.client.connection.pool.name', 'db.client.connection.state'],
  operationDuration: ['db.system.name', 'db.operation.name', 'error.type', 'db.namespace'],
  evictions: ['db.client.connection.pool.name', 'changeover.reason'],
  breakerChanges: ['db.client.connection.pool.name', 'changeover.breaker.state'],
  breakers: ['db.client.connection.pool.name', 'changeover.breaker.state'],
  retries: ['db.client.connection.pool.name', 'changeover.retry.action'],
  threadWait: [],
  walSize: [],
};
const usualLabels: readonly string[] = ['db.client.connection.pool.name'];

/** Keeps measurements in a registry of its own, for Prometheus to fetch as text. */
export class PrometheusSink implements InstrumentSink {
  readonly #registry = new Registry();
  readonly #counters = new Map<InstrumentKey, Counter>();
  readonly #histograms = new Map<InstrumentKey, Histogram>();
  readonly #gauges = new Map<InstrumentKey, Gauge>();
  readonly #reads = new Set<(instrument: InstrumentKey) => readonly Reading[]>();

  constructor() {
    for (const [key, { name, kind, unit, description }] of Object.entries(poolInstruments)) {
      const instrument = key as InstrumentKey;
      const labelNames = (labels[key] ?? usualLabels).map(underscored);
      const base = { help: description, labelNames, registers: [this.#registry] };
      if (kind === 'counter') {
        this.#counters.set(instrument, new Counter({ ...base, name: `${underscored(name)}_total` }));
      } else if (kind === 'histogram') {
        const buckets = [...durationBoundsS];
        this.#histograms.set(instrument, new Histogram({ ...base, name: `${underscored(name)}_seconds`, buckets }));
      } else {
        this.#gauges.set(instrument, new Gauge({ ...base, name: underscored(name) + (unit === 'By' ? '_bytes' : '') }));
      }
    }
  }

  /** The content type that the text is to be served with. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything measured so far, in Prometheus' text format. */
  async text(): Promise<string> {
    for (const [key, gauge] of this.#gauges) {
      gauge.reset();
      for (const read of this.#reads) {
        for (const { value, attributes } of read(key)) gauge.inc(named(attributes), value);
      }
    }
    return await this.#registry.metrics();
  }

  add(instrument: InstrumentKey, attributes: Attributes): void {
    this.#counters.get(instrument)?.inc(named(attributes));
  }

  record(instrument: InstrumentKey, seconds: number, attributes: Attributes): void {
    this.#histograms.get(instrument)?.observe(named(attributes), seconds);
  }

  observe(read: (instrument: InstrumentKey) => readonly Reading[]): () => void {
    this.#reads.add(read);
    return () => { this.#reads.delete(read); };
  }
}

function underscored(name: string): string {
  return name.replaceAll('.', '_');
}

function named(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [underscored(name), value]));
}
