import { expect, test } from '@jest/globals';
import { FleetDatabase } from '../../packages/bridge/src/fleet/fleet-database.ts';
import { silentLogger } from '@changeover/bridge';
import { SharedWindows } from '../../packages/bridge/src/fleet/shared-windows.ts';
import { TcpProxy } from '../kit/tcp-proxy.ts';
import { ownDatabase } from './own-database.ts';
import { VirtualPod } from './virtual-pod.ts';

const url = ownDatabase('cost');
const seconds = 120;
const keys = 300;
/** What a process may say or hear at once after a quiet time; beside it the bound holds for each second. */
const burstBytes = 64 * 1024;
const mostBytesASecond = 4 * 1024;

/** What goes over a wire to PostgreSQL: every statement ends with its `ReadyForQuery`. */
class Meter {
  bytes = 0;
  statements = 0;

  add(piece: Buffer, fromServer: boolean): void {
    this.bytes += piece.length;
    if (!fromServer) return;
    for (let at = piece.indexOf('Z\0\0\0\x05'); at >= 0; at = piece.indexOf('Z\0\0\0\x05', at + 1))
      this.statements += 1;
  }
}

test('a process of many keys that are called all the time says one statement and four KiB a second at the most', async () => {
  const proxy = await TcpProxy.start(url());
  const pod = new VirtualPod(proxy.urlFor(url()), silentLogger);
  const windows = new SharedWindows({ clock: pod.clock, windowMs: 60_000 });
  pod.fleet.shareWindows(windows);
  try {
    while (pod.stage !== 'pooled') await pod.pass(1_000);
    const meter = new Meter();
    proxy.intercept = (piece, fromServer) => {
      meter.add(piece, fromServer);
      return 'pass';
    };
    for (let second = 0; second < seconds; second += 1) {
      callAll(pod, second);
      if (second % 5 === 0) watchAll(windows);
      await pod.pass(1_000);
    }
    // One more is that which opens a connection.
    expect(meter.statements).toBeLessThanOrEqual(seconds + 1);
    expect(meter.bytes).toBeLessThanOrEqual(seconds * mostBytesASecond + burstBytes);
    // It used what it may: without that the bound would say little.
    expect(meter.bytes).toBeGreaterThan(seconds * 2_000);
  } finally {
    await pod.close();
    await proxy.stop();
  }
});

test('of the others’ windows a process hears one sum, however many they are', async () => {
  const database = new FleetDatabase(url(), silentLogger);
  const window = (n: number): unknown => ({
    c: 10 * n,
    f: n,
    k: 5,
    g: 1,
    m: 0,
    o: { list: [n, 10 * n, 4, 2.5] },
  });
  try {
    for (const n of [1, 2, 3])
      await database.exchange(
        JSON.stringify({ w: `process-${String(n)}`, v: [['notes', 'one', window(n)]] }),
      );
    const asked = [
      ['notes', 'one', 60],
      ['notes', 'unknown', 60],
    ];
    expect(await database.exchange(JSON.stringify({ w: 'process-1', a: asked }))).toMatchObject({
      // The second called twice, of 20 ms, the third thrice, of 30 ms.
      v: [['notes', 'one', [{ n: 2, c: 50, f: 5, k: 10, g: 2, m: 0, o: { list: [5, 26, 8, 5] } }]]],
    });
  } finally {
    await database.close();
  }
});

/** Each key is called, by its own shape, and differs. */
function callAll(pod: VirtualPod, second: number): void {
  for (let at = 0; at < keys; at += 1) {
    const key = { backend: 'notes', dataset: `key-${String(at)}`, operation: 'list' };
    pod.count(key.dataset, 7);
    pod.recorder.shape({ ...key, shape: `select ${String(at)}`, stage: 'pooled' }).calls += 7;
    if (at % 10 === 0)
      pod.recorder.sample({
        ...key,
        at: second,
        shape: `select ${String(at)}`,
        stage: 'shadow',
        verdict: 'mismatch',
        class: 'value',
        summary: `row ${String(second)} differs`,
      });
  }
  pod.recorder.event('stage', { second });
}

/** Every window has something wrong, so that others' are asked for, and many operations. */
function watchAll(windows: SharedWindows): void {
  const operations = Array.from({ length: 20 }, (_, at) => [
    `operation-${String(at)}`,
    [9, 1.5, 9, 1.5],
  ]);
  const figures = { c: 9, f: 1, k: 9, g: 0, m: 1, o: Object.fromEntries(operations) as never };
  for (let at = 0; at < keys; at += 1) windows.publish('notes', `key-${String(at)}`, figures);
}
