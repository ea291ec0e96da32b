import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Stage, stages } from '@changeover/core';
import { ManualClock } from '../../../../../test/kit/manual-clock.ts';
import { silentLogger } from '../../log.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import { GateJudge, type KeyVerdict } from './verdict.ts';

/** What is called in a minute of one operation. */
interface Calls {
  readonly calls: number;
  readonly legacyMs: number;
  readonly pooledMs: number;
  /** Default: none. */
  readonly failed?: number;
  /** Whether both legs are called. Default: true. */
  readonly compared?: boolean;
}

type Minute = Readonly<Record<string, Calls>>;

let clock: ManualClock;
let recorder: Recorder;

beforeEach(() => {
  clock = new ManualClock();
  recorder = openRecorder({
    path: ':memory:',
    run: 'test',
    logger: silentLogger,
    clock,
    flushIntervalMs: 30_000,
  });
});

afterEach(() => {
  recorder.close();
});

async function run(stage: Stage, minutes: number, minute: Minute): Promise<void> {
  for (let at = 0; at < minutes; at += 1) {
    for (const [operation, one] of Object.entries(minute)) call(stage, operation, one);
    await clock.advance(60_000);
  }
}

function call(stage: Stage, operation: string, one: Calls, key = 'inbox'): void {
  const { calls, legacyMs, pooledMs, failed = 0, compared = true } = one;
  const cell = recorder.cell('notes', key, operation, stage);
  const shape = recorder.shape({
    backend: 'notes',
    dataset: key,
    operation,
    shape: '',
    stage,
  });
  const isBoth = compared && (stage === 'shadow' || stage === 'reverse');
  const isPooled = stages.indexOf(stage) >= 2;
  cell.calls += calls;
  shape.calls += calls;
  cell.failed += failed;
  for (let made = 0; made < calls; made += 1) {
    if (!isPooled || isBoth) cell.legacyLatency.record(legacyMs);
    if (isPooled || isBoth) cell.pooledLatency.record(pooledMs);
    if (!isBoth) continue;
    cell.eligible += 1;
    shape.eligible += 1;
    cell.countVerdict('match');
    shape.countVerdict('match');
  }
}

function verdict(stage: Stage, key = 'inbox'): KeyVerdict {
  const position = (): { stage: Stage; accepted: string[] } => ({ stage, accepted: ['add'] });
  return new GateJudge({ data: recorder.summary(), position }).key('notes', key);
}

const read = { calls: 40, legacyMs: 2, pooledMs: 2 };
const write = { ...read, calls: 20, compared: false };
const usual: Minute = { query: read, add: write };

/** A key that did well for so many minutes at its stage, and then what is given. */
async function after(
  stage: Stage,
  { before = usual, well = 40, since }: { before?: Minute; well?: number; since: Minute },
  minutes: number,
): Promise<KeyVerdict> {
  await run('shadow', 10, before);
  await run(stage, well, before);
  expect(verdict(stage)).toMatchObject({ decision: 'PROMOTE' });
  await run(stage, minutes, since);
  return verdict(stage);
}

const slow: Minute = { query: { ...read, pooledMs: 9 }, add: { ...write, pooledMs: 9 } };

describe('what was counted lately holds a key that did well before', () => {
  test.each(['reverse', 'pooled'] as const)(
    'a pooled leg that has been slow for six minutes, at %s',
    async (stage) => {
      const { decision, reason } = await after(stage, { since: slow }, 6);
      expect(decision).toBe('HOLD');
      expect(reason).toMatch(
        /^On notes inbox at \w+, the pooled median of .+ was 4\.\d+ times the legacy one in the last \d+ min: stay at this stage\.$/,
      );
    },
  );

  test('one operation whose share is too small for a median of all', async () => {
    const other = { calls: 60, legacyMs: 20, pooledMs: 20 };
    const before = { query: read, list: other };
    const since = { query: { ...read, pooledMs: 9 }, list: other };
    const { reason } = await after('reverse', { before, well: 150, since }, 70);
    expect(reason).toContain('the pooled median of `query` was 4.');
  });

  test('calls that fail more often than on the legacy leg, which hours without failures hide', async () => {
    await run('shadow', 60, { ...usual, add: { ...write, failed: 0 } });
    const some = { ...usual, add: { ...write, calls: 200, failed: 2 } };
    await run('shadow', 10, some);
    const well = { ...usual, add: { ...write, calls: 200 } };
    await run('pooled', 300, well);
    expect(verdict('pooled').decision).toBe('PROMOTE');
    await run('pooled', 70, { ...usual, add: { ...write, calls: 50, failed: 2 } });
    const { decision, reason } = verdict('pooled');
    expect(decision).toBe('ROLL BACK');
    expect(reason).toContain('`add` fails more often on the pooled leg than on the legacy leg');
  });
});

describe('what was counted lately holds no healthy key', () => {
  test('one bad minute', async () => {
    expect((await after('reverse', { since: slow }, 2)).decision).toBe('PROMOTE');
  });

  test('both legs slow, as on a busy machine', async () => {
    const since = {
      query: { ...read, legacyMs: 9, pooledMs: 9 },
      add: { ...write, pooledMs: 9 },
    };
    expect((await after('reverse', { since }, 40)).decision).toBe('PROMOTE');
  });

  test('another mix of operations, as where writes come at night', async () => {
    const writes = { ...write, legacyMs: 9, pooledMs: 9 };
    const before = { query: read, add: writes };
    const since = { query: { ...read, calls: 5 }, add: { ...writes, calls: 90 } };
    expect((await after('reverse', { before, since }, 40)).decision).toBe('PROMOTE');
  });

  test('a leg that is slower by less than a millisecond', async () => {
    const before = { query: { ...read, legacyMs: 0.1, pooledMs: 0.1 } };
    const since = { query: { ...read, legacyMs: 0.1, pooledMs: 0.9 } };
    expect((await after('pooled', { before, since }, 40)).decision).toBe('PROMOTE');
  });

  test('few calls', async () => {
    const since = { query: { ...read, calls: 1, pooledMs: 9 } };
    expect((await after('reverse', { since }, 15)).decision).toBe('PROMOTE');
  });

  test('medians of few calls that differ by chance', async () => {
    await run('shadow', 10, usual);
    await run('reverse', 120, usual);
    // Thirty calls on each leg, of which a leg's median may lie anywhere from 1 to 4 ms.
    for (let made = 0; made < 40; made += 1)
      call('reverse', 'list', { calls: 1, legacyMs: 1 + (made % 5), pooledMs: 1 + (made % 8) });
    await clock.advance(60_000);
    expect(
      verdict('reverse')
        .gates.map(({ reason }) => reason ?? '')
        .join(),
    ).not.toContain('list` was');
  });
});

describe('what a cohort of rarely called keys did lately', () => {
  const keys = Array.from({ length: 40 }, (_, at) => `key-${String(at)}`);

  /** Each key is called once in four minutes: too rarely to be judged by its own last hour. */
  async function runAll(stage: Stage, minutes: number, one: Omit<Calls, 'calls'>): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      for (let at = minute % 4; at < keys.length; at += 4)
        call(stage, 'query', { calls: 1, ...one }, keys[at]);
      await clock.advance(60_000);
    }
  }

  async function wellBefore(stage: Stage): Promise<void> {
    await runAll('shadow', 170, { legacyMs: 2, pooledMs: 2 });
    await runAll(stage, 600, { legacyMs: 2, pooledMs: 2 });
    expect(verdict(stage, 'key-1').decision).toBe('PROMOTE');
  }

  test('holds its keys where the pooled leg has become slow for all of them', async () => {
    await wellBefore('reverse');
    await runAll('reverse', 70, { legacyMs: 2, pooledMs: 9 });
    const { decision, reason } = verdict('reverse', 'key-1');
    expect(decision).toBe('HOLD');
    expect(reason).toMatch(
      /^On notes at reverse, the pooled median of .+ was 4\.\d+ times the legacy one in the last /,
    );
  });

  test('puts them back where the pooled leg has begun to fail', async () => {
    await wellBefore('pooled');
    for (let minute = 0; minute < 70; minute += 1) {
      const failed = minute % 3 === 0 ? 1 : 0;
      const one = { calls: 1, failed, legacyMs: 2, pooledMs: 2 };
      call('pooled', 'query', one, keys[minute % keys.length]);
      await clock.advance(60_000);
    }
    const { decision, reason } = verdict('pooled', 'key-1');
    expect(decision).toBe('ROLL BACK');
    expect(reason).toContain('On notes, `query` fails more often on the pooled leg');
  });

  test('holds none where one key is slow by itself, nor where both legs are', async () => {
    await wellBefore('reverse');
    for (let minute = 0; minute < 70; minute += 1) {
      call('reverse', 'query', { calls: 4, legacyMs: 2, pooledMs: 9 }, 'key-0');
      await runAll('reverse', 1, { legacyMs: 9, pooledMs: 9 });
    }
    expect(verdict('reverse', 'key-0').decision).toBe('HOLD');
    expect(verdict('reverse', 'key-1').decision).toBe('PROMOTE');
  });
});
