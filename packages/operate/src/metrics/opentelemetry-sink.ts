import type * as Api from '@opentelemetry/api';
import {
  type Attributes,
  durationBoundsS,
  type Instrument,
  type InstrumentSink,
  type Reading,
} from '@changeover/core';
import { metricsLibrary } from './metrics-library.ts';

/** What an instrument is made with. */
interface InstrumentOptions {
  readonly unit?: string;
  readonly description?: string;
  readonly advice?: { readonly explicitBucketBoundaries?: number[] };
}

interface Counter {
  add(value: number, attributes?: Attributes): void;
}

interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

interface BatchResult {
  observe(observable: object, value: number, attributes?: Attributes): void;
}

type BatchCallback = (result: BatchResult) => void;

/** What is used of OpenTelemetry's `Meter`. Written down here, because the types must stand where its package isn't installed. */
export interface OpenTelemetryMeter {
  createCounter(name: string, options?: InstrumentOptions): Counter;
  createHistogram(name: string, options?: InstrumentOptions): Histogram;
  createObservableCounter(name: string, options?: InstrumentOptions): object;
  createObservableUpDownCounter(name: string, options?: InstrumentOptions): object;
  addBatchObservableCallback(callback: BatchCallback, observables: object[]): void;
  removeBatchObservableCallback(callback: BatchCallback, observables: object[]): void;
}

/** Sends measurements to OpenTelemetry; where no SDK is set up, nowhere, at no cost. */
export class OpenTelemetrySink implements InstrumentSink {
  readonly #meter: OpenTelemetryMeter;
  readonly #counters = new Map<Instrument, Counter>();
  readonly #histograms = new Map<Instrument, Histogram>();
  /** Those that are read when asked for. */
  readonly #read = new Map<Instrument, object>();

  /**
   * @param meter OpenTelemetry's. Default: that of the global provider, for which `@opentelemetry/api` is to be installed beside
   * Changeover.
   * @throws {ChangeoverError} `PACKAGE_MISSING` for the default where it isn't.
   */
  constructor(meter: OpenTelemetryMeter = globalMeter()) {
    this.#meter = meter;
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
    this.#counters.get(counter)?.add(1, attributes);
  }

  record(histogram: Instrument, seconds: number, attributes: Attributes): void {
    this.#histograms.get(histogram)?.record(seconds, attributes);
  }

  observe(
    instruments: readonly Instrument[],
    read: (instrument: Instrument) => readonly Reading[],
  ): () => void {
    this.declare(instruments);
    const those = instruments.flatMap((instrument) => {
      const observable = this.#read.get(instrument);
      return observable === undefined ? [] : [{ instrument, observable }];
    });
    const callback: BatchCallback = (result) => {
      for (const { instrument, observable } of those) {
        for (const { value, attributes } of read(instrument))
          result.observe(observable, value, attributes);
      }
    };
    const observables = those.map(({ observable }) => observable);
    this.#meter.addBatchObservableCallback(callback, observables);
    return () => {
      this.#meter.removeBatchObservableCallback(callback, observables);
    };
  }

  #make(instrument: Instrument): void {
    const { name, kind, unit, description } = instrument;
    const meter = this.#meter;
    if (kind === 'counter')
      this.#counters.set(instrument, meter.createCounter(name, { unit, description }));
    else if (kind === 'total')
      this.#read.set(instrument, meter.createObservableCounter(name, { unit, description }));
    else if (kind === 'gauge')
      this.#read.set(instrument, meter.createObservableUpDownCounter(name, { unit, description }));
    else {
      const advice = { explicitBucketBoundaries: [...durationBoundsS] };
      this.#histograms.set(instrument, meter.createHistogram(name, { unit, description, advice }));
    }
  }
}

function globalMeter(): OpenTelemetryMeter {
  const { metrics } = metricsLibrary('@opentelemetry/api', 'OpenTelemetrySink') as typeof Api;
  return metrics.getMeter('changeover');
}
