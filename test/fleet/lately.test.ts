import { createStaticStageSource, silentLogger } from '@changeover/bridge';
import { expect, test } from '@jest/globals';
import { ownDatabase } from './own-database.ts';
import { VirtualPod } from './virtual-pod.ts';

const url = ownDatabase('lately');
const [minuteMs, hourMs] = [60_000, 3_600_000];
/** Minutes before the leg becomes slow, and until it has been so for long enough. */
const [wellMinutes, slowMinutes, mostMinutes] = [30, 8, 20];
/** Begins five minutes after an hour, so that all until the steps is of one hour, and of the store's last two. */
const beganMs = Math.floor((Date.now() - 65 * minuteMs) / hourMs) * hourMs + 5 * minuteMs;

/** A key's calls in a minute: both legs are measured where both run. */
function call(pod: VirtualPod, calls: number, pooledMs: number): void {
  const { stage, recorder } = pod;
  const cell = recorder.cell('notes', 'one', 'list', stage);
  const shape = { backend: 'notes', dataset: 'one', operation: 'list', shape: '', stage };
  const counts = recorder.shape(shape);
  cell.calls += calls;
  counts.calls += calls;
  for (let made = 0; made < calls; made += 1) {
    if (stage !== 'pooled') cell.legacyLatency.record(2);
    if (stage !== 'legacy') cell.pooledLatency.record(pooledMs);
    if (stage !== 'shadow' && stage !== 'reverse') continue;
    for (const one of [cell, counts]) {
      one.eligible += 1;
      one.countVerdict('match');
    }
  }
}

test('a key whose pooled leg has become slow in one process steps forward in no other, as long as it is', async () => {
  const flags = createStaticStageSource({ notes: 'reverse' });
  const pods = [1, 2].map(
    () => new VirtualPod(url(), silentLogger, { wallMs: beganMs, flags }),
  ) as [VirtualPod, VirtualPod];
  const [quick, slow] = pods;
  const pass = async (minutes: number, pooledMs: number): Promise<void> => {
    for (let minute = 0; minute < minutes; minute += 1) {
      call(quick, 15, 2);
      call(slow, 45, pooledMs);
      for (const pod of pods) await pod.pass(minuteMs);
    }
  };
  try {
    await pass(wellMinutes, 2);
    expect(quick.stage).toBe('reverse');
    await pass(slowMinutes, 9);
    flags.set({ notes: 'pooled' });
    await pass(2, 9);
    const { stage, reason } = quick.decision;
    expect(stage).toBe('reverse');
    expect(reason).toMatch(/the pooled median of all operations was 4\.\d+ times the legacy one/);
    await pass(mostMinutes, 2);
    expect(quick.stage).toBe('pooled');
  } finally {
    for (const pod of pods) await pod.close();
  }
});
