import { metrics } from '@opentelemetry/api';
import type { BatchObservableCallback, Counter, Histogram, Meter, ObservableUpDownCounter } from '@opentelemetry/api';
import { durationBoundsS, poolInstruments } from './pool-instruments.ts';
import type { Attributes, InstrumentKey, InstrumentSink, Reading } from './pool-instruments.ts';

/** Sends measurements to OpenTelemetry; where no SDK is set up, nowhere, at no cost. */
export class OpenTelemetrySink implements InstrumentSink {
  readonly #meter: Meter;
  readonly #counters = new Map<InstrumentKey, Counter>();
  readonly #histograms = new Map<InstrumentKey, Histogram>();
  readonly #gauges = new Map<InstrumentKey, ObservableUpDownCounter>();

  /** @param meter default: that of the global provider. */
  constructor(meter: Meter = metrics.getMeter('changeover')) {
    this.#meter = meter;
    for (const [key, { name, kind, unit, description }] of Object.entries(poolInstruments)) {
      const instrument = key as InstrumentKey;
      if (kind === 'counter') this.#counters.set(instrument, meter.createCounter(name, { unit, description }));
      else if (kind === 'gauge') this.#gauges.set(instrument, meter.createObservableUpDownCounter(name, { unit, description }));
      else {
        const advice = { explicitBucketBoundaries: [...durationBoundsS] };
        this.#histograms.set(instrument, meter.createHistogram(name, { unit, description, advice }));
      }
    }
  }

  add(instrument: InstrumentKey, attributes: Attributes): void {
    this.#counters.get(instrument)?.add(1, attributes);
  }

  record(instrument: InstrumentKey, seconds: number, attributes: Attributes): void {
    this.#histograms.get(instrument)?.record(seconds, attributes);
  }

  observe(read: (instrument: InstrumentKey) => readonly Reading[]): () => void {
    const callback: BatchObservableCallback = (result) => {
      for (const [key, gauge] of this.#gauges) {
        for (const { value, attributes } of read(key)) result.observe(gauge, value, attributes);
      }
    };
    const gauges = [...this.#gauges.values()];
    this.#meter.addBatchObservableCallback(callback, gauges);
    return () => { this.#meter.removeBatchObservableCallback(callback, gauges); };
  }
}
