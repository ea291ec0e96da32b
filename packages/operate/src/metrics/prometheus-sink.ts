import type * as PromClient from 'prom-client';
import type { Counter, Gauge, Histogram } from 'prom-client';
import {
  type Attributes,
  durationBoundsS,
  type Instrument,
  type InstrumentSink,
  isRead,
  type Reading,
} from '@changeover/core';
import { metricsLibrary } from './metrics-library.ts';

/** Prometheus has the unit in the name. */
const suffixes: Readonly<Record<string, string>> = { By: '_bytes', s: '_seconds' };

/** Keeps measurements in a registry of its own, for Prometheus to fetch as text. It needs `prom-client` 15, which is to be installed
 * beside Changeover; making one throws a `ChangeoverError` `PACKAGE_MISSING` where it isn't. */
export class PrometheusSink implements InstrumentSink {
  readonly #client = metricsLibrary('prom-client', 'PrometheusSink') as typeof PromClient;
  readonly #registry = new this.#client.Registry();
  readonly #counters = new Map<Instrument, Counter>();
  readonly #histograms = new Map<Instrument, Histogram>();
  /** Those that are read when the text is asked for. */
  readonly #read = new Map<Instrument, Gauge | Counter>();
  readonly #reads = new Set<(instrument: Instrument) => readonly Reading[]>();

  /** The content type that the text is to be served with. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything measured so far, in Prometheus' text format. */
  async text(): Promise<string> {
    for (const [instrument, metric] of this.#read) {
      metric.reset();
      for (const read of this.#reads) {
        for (const { value, attributes } of read(instrument)) metric.inc(named(attributes), value);
      }
    }
    return await this.#registry.metrics();
  }

  declare(instruments: readonly Instrument[]): void {
    for (const instrument of instruments) {
      if (
        !this.#counters.has(instrument) &&
        !this.#histograms.has(instrument) &&
        !this.#read.has(instrument)
      )
        this.#make(instrument);
    }
  }

  add(counter: Instrument, attributes: Attributes): void {
    this.#counters.get(counter)?.inc(named(attributes));
  }

  record(histogram: Instrument, seconds: number, attributes: Attributes): void {
    this.#histograms.get(histogram)?.observe(named(attributes), seconds);
  }

  observe(
    instruments: readonly Instrument[],
    read: (instrument: Instrument) => readonly Reading[],
  ): () => void {
    this.declare(instruments);
    const those = new Set(instruments.filter(isRead));
    const readThose = (instrument: Instrument): readonly Reading[] =>
      those.has(instrument) ? read(instrument) : [];
    this.#reads.add(readThose);
    return () => {
      this.#reads.delete(readThose);
    };
  }

  #make(instrument: Instrument): void {
    const { kind, description, attributes } = instrument;
    const client = this.#client;
    const name = prometheusName(instrument);
    const settings = {
      name,
      help: description,
      labelNames: attributes.map(underscored),
      registers: [this.#registry],
    };
    if (kind === 'counter') this.#counters.set(instrument, new client.Counter(settings));
    else if (kind === 'total') this.#read.set(instrument, new client.Counter(settings));
    else if (kind === 'gauge') this.#read.set(instrument, new client.Gauge(settings));
    else
      this.#histograms.set(
        instrument,
        new client.Histogram({ ...settings, buckets: [...durationBoundsS] }),
      );
  }
}

/** The name that an instrument has in the text. */
export function prometheusName({ name, kind, unit }: Instrument): string {
  return (
    underscored(name) +
    (suffixes[unit] ?? '') +
    (kind === 'counter' || kind === 'total' ? '_total' : '')
  );
}

function underscored(name: string): string {
  return name.replaceAll('.', '_');
}

function named(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [underscored(name), value]),
  );
}
