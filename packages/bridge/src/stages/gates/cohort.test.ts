import { expect, test } from '@jest/globals';
import { silentLogger } from '../../log.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import { GateJudge } from './verdict.ts';

function record(recorder: Recorder, key: string, calls: number, pooledMs: number): void {
  for (const stage of ['shadow', 'reverse'] as const) {
    const cell = recorder.cell('notes', key, 'list', stage);
    const shape = recorder.shape({
      backend: 'notes',
      dataset: key,
      operation: 'list',
      shape: '',
      stage,
    });
    for (let call = 0; call < calls; call += 1) {
      for (const counts of [cell, shape]) {
        counts.calls += 1;
        counts.eligible += 1;
        counts.countVerdict('match');
      }
      cell.legacyLatency.record(4);
      cell.pooledLatency.record(stage === 'reverse' ? pooledMs : 4);
    }
  }
}

test('a key that is slow and called most is held by its own gate, and its calls are in no median of the others', () => {
  const recorder = openRecorder({ path: ':memory:', run: 'test', logger: silentLogger });
  record(recorder, 'hot', 2_000, 40);
  record(recorder, 'quiet', 200, 4);
  const judge = new GateJudge({ data: recorder.summary() });
  expect(judge.key('notes', 'hot').decision).toBe('HOLD');
  expect(judge.key('notes', 'quiet')).toMatchObject({ decision: 'PROMOTE' });
  recorder.close();
});

test('keys that are a little slower, none of which is held by itself, are held by the median of all', () => {
  const recorder = openRecorder({ path: ':memory:', run: 'test', logger: silentLogger });
  for (const key of ['one', 'other']) record(recorder, key, 200, 5);
  const judge = new GateJudge({ data: recorder.summary() });
  expect(judge.key('notes', 'one')).toMatchObject({
    decision: 'HOLD',
    reason: expect.stringContaining('pooled median is 1.26 times the legacy one'),
  });
  recorder.close();
});
