import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import {
  MeasuredPools,
  poolInstruments,
  type PoolMetrics,
  StorageBackendFactory,
} from '@changeover/pooled';
import { OpenTelemetrySink } from './opentelemetry-sink.ts';
import { PrometheusSink } from './prometheus-sink.ts';

let basePath: string;
beforeEach(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-metrics-'));
});
afterEach(() => {
  rmSync(basePath, { recursive: true, force: true });
});

/** Some work, with a failure and a refusal, while the figures are looked at in the middle. */
async function work(metrics: PoolMetrics, inTheMiddle: () => Promise<void>): Promise<void> {
  const factory = new StorageBackendFactory({
    basePath,
    metrics,
    pools: { sqlite: { max: 2, min: 1, maxPending: 0 } },
  });
  try {
    const storage = factory.storage('sqlite');
    await storage.createDataset('titanic');
    await storage.writeTable('titanic', 't', [{ id: 1 }]);
    await storage.readTable('titanic', 'nowhere').catch(() => undefined);
    await factory.createBackend('titanic', 'sqlite').transaction(async () => {
      await inTheMiddle();
    });
  } finally {
    await factory.close();
  }
}

describe('what pools tell of themselves', () => {
  test('reaches OpenTelemetry by the names of the semantic conventions', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: 3_600_000,
      exportTimeoutMillis: 1_000,
    });
    const provider = new MeterProvider({ readers: [reader] });
    const meter = provider.getMeter('test');
    let during: ResourceMetrics[] = [];
    await work(new MeasuredPools(new OpenTelemetrySink(meter)), async () => {
      await provider.forceFlush();
      during = [...exporter.getMetrics()];
    });
    const points = new Map(
      during
        .flatMap(({ scopeMetrics }) => scopeMetrics)
        .flatMap((scope) => scope.metrics)
        .map(({ descriptor, dataPoints }) => [
          descriptor.name,
          { unit: descriptor.unit, dataPoints },
        ]),
    );
    const callers = { 'db.client.connection.pool.name': 'changeover/sqlite/callers' };
    const valueOf = (name: string, attributes: object): unknown =>
      points.get(name)?.dataPoints.find((point) => contains(point.attributes, attributes))?.value;
    expect(
      valueOf('db.client.connection.count', { ...callers, 'db.client.connection.state': 'used' }),
    ).toBe(1);
    expect(
      valueOf('db.client.connection.count', { ...callers, 'db.client.connection.state': 'idle' }),
    ).toBe(1);
    expect(valueOf('db.client.connection.max', callers)).toBe(200);
    expect(valueOf('db.client.connection.idle.max', callers)).toBe(200);
    expect(valueOf('db.client.connection.idle.min', callers)).toBe(2);
    expect(valueOf('db.client.connection.pending_requests', callers)).toBe(0);
    expect(valueOf('db.client.connection.create_time', callers)).toMatchObject({ count: 2 });
    expect(valueOf('db.client.connection.wait_time', callers)).toMatchObject({ count: 3 });
    expect(valueOf('db.client.connection.use_time', callers)).toMatchObject({ count: 2 });
    expect(
      valueOf('db.client.operation.duration', {
        'db.operation.name': 'readTable',
        'error.type': 'TABLE_NOT_FOUND',
      }),
    ).toMatchObject({ count: 1 });
    expect(points.get('db.client.operation.duration')?.unit).toBe('s');
    expect(valueOf('changeover.sqlite.wal_size', {})).toBeGreaterThan(0);
    expect(JSON.stringify([...points])).not.toContain('titanic');
    await provider.shutdown();
  });

  test('is Prometheus text from the same source', async () => {
    const sink = new PrometheusSink();
    let during = '';
    await work(new MeasuredPools(sink, { byDataset: true }), async () => {
      during = await sink.text();
    });
    for (const { name, kind, unit } of Object.values(poolInstruments)) {
      const suffix =
        kind === 'counter'
          ? '_total'
          : kind === 'histogram'
            ? '_seconds'
            : unit === 'By'
              ? '_bytes'
              : '';
      expect(during).toContain(`# TYPE ${name.replaceAll('.', '_')}${suffix} ${kind}\n`);
    }
    expect(during).toContain(
      'db_client_connection_count{db_client_connection_pool_name="sqlite/titanic (writer)",' +
        'db_client_connection_state="used"} 1',
    );
    expect(during).toMatch(
      /db_client_operation_duration_seconds_count\{[^}]*db_operation_name="writeTable"[^}]*\} 1/,
    );
    // What was read of a closed factory would be read for ever.
    expect(await sink.text()).not.toContain('db_client_connection_count{');
  });
});

function contains(attributes: object, wanted: object): boolean {
  return Object.entries(wanted).every(([name, value]) => Reflect.get(attributes, name) === value);
}
