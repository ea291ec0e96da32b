import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyTarget, type Stage, allKeys } from '@changeover/core';
import { ManualClock, settle } from '../../../../../test/kit/manual-clock.ts';
import { createStaticStageSource, type StaticStageSource } from '../flags/static-stage-source.ts';
import type { StageSource } from '../flags/stage-source.ts';
import { silentLogger, type Logger } from '../../log.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import { readRecordings } from '../../recorder/read-recordings.ts';
import type { LedgerOptions, MoveJudgement } from './ledger-options.ts';
import { Ledger } from './ledger.ts';
import type { LedgerChange, LedgerStore } from './ledger-store.ts';
import { SqliteLedgerStore } from './file-ledger-store.ts';
import { limitStages } from '../limited-stages.ts';
import { ledgerHolds, ledgerSteps } from './ledger-limits.ts';

let folder: string;
let path: string;
let clock: ManualClock;
let errors: string[];
let ledgers: Ledger[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-ledger-'));
  path = join(folder, 'comparisons.sqlite');
  clock = new ManualClock();
  errors = [];
  ledgers = [];
});

afterEach(async () => {
  for (const ledger of ledgers) await ledger.close();
  rmSync(folder, { recursive: true, force: true });
});

const logger: Logger = {
  ...silentLogger,
  error: (_fields, message) => {
    errors.push(message);
  },
};
const author = { who: 'ada', reason: 'it looks wrong' };

function open(options: Partial<LedgerOptions> = {}): Ledger {
  const ledger = new Ledger({
    store: new SqliteLedgerStore(path),
    logger,
    clock,
    reviewIntervalMs: 100,
    ...options,
  });
  ledgers.push(ledger);
  return ledger;
}

function decider(source: StageSource): (dataset?: string, operation?: string) => Stage {
  return (dataset = 'titanic', operation = 'readTable') =>
    source.decide({ backend: 'sqlite', dataset, operation }).stage;
}

/** A process: flags, ledger, and the answers that a router gets. */
function start(
  stage: Stage,
  options: Partial<LedgerOptions> = {},
): {
  flags: StaticStageSource;
  ledger: Ledger;
  source: StageSource;
  stageOf: ReturnType<typeof decider>;
} {
  const flags = createStaticStageSource({ sqlite: stage });
  const ledger = open(options);
  const source = limitStages(flags, [ledgerSteps(ledger, flags)]);
  return { flags, ledger, source, stageOf: decider(source) };
}

const lines = async (ledger: Ledger): Promise<string[]> =>
  (await ledger.history()).map(
    ({ dataset, from, to, held, who }) =>
      `${dataset}: ${from} → ${to}${held ? ', held' : ''} by ${who}`,
  );

describe('forward', () => {
  test('a dataset goes one stage a review, whatever the flag asks', async () => {
    const { ledger, stageOf } = start('pooled');
    const seen = [stageOf()];
    for (let review = 0; review < 5; review += 1) {
      await clock.advance(100);
      seen.push(stageOf());
    }
    expect(seen).toEqual(['legacy', 'shadow', 'reverse', 'pooled', 'pooled', 'pooled']);
    expect(await lines(ledger)).toEqual([
      'titanic: legacy → shadow by flag',
      'titanic: shadow → reverse by flag',
      'titanic: reverse → pooled by flag',
    ]);
  });

  test('reviews that are asked for in between do not make it faster', async () => {
    const { ledger, stageOf } = start('pooled');
    stageOf();
    await clock.advance(100);
    for (let more = 0; more < 5; more += 1) await ledger.review();
    expect(stageOf()).toBe('shadow');
  });

  test('only past its gate, and the reason says what the gate found', async () => {
    let outcome: MoveJudgement = { verdict: 'inconclusive', reason: '12 of 100 comparisons' };
    const asked: string[] = [];
    const { source, stageOf } = start('reverse', {
      gate: ({ from, to }) => {
        asked.push(`${from} → ${to}`);
        return to === 'shadow' ? { verdict: 'pass', reason: 'nothing to compare yet' } : outcome;
      },
    });
    stageOf();
    await clock.advance(300);
    expect(stageOf()).toBe('shadow');
    expect(
      source.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'query' }).reason,
    ).toMatch(
      /^the ledger has it at shadow \(the gate to reverse says inconclusive: 12 of 100 comparisons\)/,
    );
    outcome = { verdict: 'fail', reason: '3 mismatches' };
    await clock.advance(100);
    expect(stageOf()).toBe('shadow');
    outcome = { verdict: 'pass', reason: '100 of 100' };
    await clock.advance(100);
    expect(stageOf()).toBe('reverse');
    expect(new Set(asked)).toEqual(new Set(['legacy → shadow', 'shadow → reverse']));
  });

  test('a gate that throws lets nothing pass', async () => {
    const { stageOf } = start('shadow', {
      gate: () => {
        throw new Error('broken');
      },
    });
    stageOf();
    await clock.advance(300);
    expect(stageOf()).toBe('legacy');
    expect(errors).toContain('a gate failed; the dataset stays where it is');
  });

  test("the flag limits single operations below the dataset's stage", async () => {
    const { flags, stageOf } = start('pooled');
    flags.set(({ operation }) => (operation === 'execute' ? 'legacy' : 'pooled'));
    stageOf();
    await clock.advance(1_000);
    expect([stageOf(), stageOf('titanic', 'execute'), stageOf()]).toEqual([
      'pooled',
      'legacy',
      'pooled',
    ]);
  });

  test('what the flag no longer asks for is not done', async () => {
    const { flags, stageOf } = start('shadow');
    stageOf();
    flags.set({ sqlite: 'legacy' });
    await clock.advance(1_000);
    flags.set({ sqlite: 'shadow' });
    expect(stageOf()).toBe('legacy');
  });

  test('many datasets go together, and operations without a dataset too', async () => {
    const { stageOf } = start('shadow');
    const datasets = ['', ...Array.from({ length: 250 }, (_, index) => `d${String(index)}`)];
    for (const dataset of datasets) stageOf(dataset);
    await clock.advance(400);
    expect(new Set(datasets.map((dataset) => stageOf(dataset)))).toEqual(new Set(['shadow']));
  });
});

describe('back', () => {
  async function atPooled(): Promise<ReturnType<typeof start>> {
    const started = start('pooled');
    started.stageOf();
    await clock.advance(400);
    expect(started.stageOf()).toBe('pooled');
    return started;
  }

  test('the flag moves it back at once, and it steps forward anew', async () => {
    const { flags, ledger, stageOf } = await atPooled();
    flags.set({ sqlite: 'legacy' });
    expect(stageOf()).toBe('legacy');
    flags.set({ sqlite: 'pooled' });
    expect(stageOf()).toBe('legacy');
    await clock.advance(100);
    expect(stageOf()).toBe('shadow');
    expect((await lines(ledger)).slice(3)).toEqual([
      'titanic: pooled → legacy by flag',
      'titanic: legacy → shadow by flag',
    ]);
  });

  test('a hold counts at once, tells, and stays until it is resumed, whatever the flag asks', async () => {
    const { ledger, source, stageOf } = await atPooled();
    const told: Stage[] = [];
    source.subscribe(() => {
      told.push(stageOf());
    });
    ledger.hold('sqlite', keyTarget('titanic'), author);
    expect(told).toEqual(['legacy']);
    await clock.advance(1_000);
    expect(stageOf()).toBe('legacy');
    expect(
      source.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'query' }).reason,
    ).toMatch(/^it is held at legacy by ada: it looks wrong; the flag asks for pooled/);
    expect(ledger.resume('sqlite', keyTarget('titanic'), author)).toBe(true);
    expect(ledger.resume('sqlite', keyTarget('titanic'), author)).toBe(false);
    stageOf();
    await clock.advance(100);
    expect(stageOf()).toBe('shadow');
    expect((await lines(ledger)).slice(3)).toEqual([
      'titanic: pooled → legacy, held by ada',
      'titanic: legacy → legacy by ada',
      'titanic: legacy → shadow by flag',
    ]);
  });

  test('a whole backend is held by one line, and other backends are not', async () => {
    const flags = createStaticStageSource({ sqlite: 'reverse', duckdb: 'reverse' });
    const ledger = open();
    const source = limitStages(flags, [ledgerSteps(ledger, flags)]);
    const stageOf = (backend: string): Stage =>
      source.decide({ backend, dataset: 'titanic', operation: 'query' }).stage;
    stageOf('sqlite');
    stageOf('duckdb');
    await clock.advance(100);
    ledger.hold('sqlite', allKeys, author);
    expect([stageOf('sqlite'), stageOf('duckdb')]).toEqual(['legacy', 'shadow']);
    await clock.advance(500);
    expect([stageOf('sqlite'), stageOf('duckdb')]).toEqual(['legacy', 'reverse']);
    ledger.resume('sqlite', allKeys, author);
    expect(stageOf('sqlite')).toBe('shadow');
  });

  test('flags that can not be had put calls on legacy and leave the ledger as it is', async () => {
    const { ledger } = await atPooled();
    const none: StageSource = {
      ...createStaticStageSource({}),
      decide: (context) => ({ ...createStaticStageSource({}).decide(context), revision: '' }),
    };
    expect(decider(limitStages(none, [ledgerSteps(ledger, none)]))()).toBe('legacy');
    await clock.advance(200);
    expect(await lines(ledger)).toHaveLength(3);
  });
});

describe('over processes and restarts', () => {
  test('a restart finds each dataset on its stage in the first tick, holds included', async () => {
    const first = start('pooled');
    first.stageOf();
    first.stageOf('iris');
    await clock.advance(400);
    first.ledger.hold('sqlite', keyTarget('iris'), author);
    await first.ledger.close();
    const second = start('pooled');
    expect([second.stageOf(), second.stageOf('iris')]).toEqual(['pooled', 'legacy']);
    await clock.advance(1_000);
    expect(second.stageOf('iris')).toBe('legacy');
  });

  test('another process learns of a hold at its next review, and is told', async () => {
    const first = start('pooled');
    const second = start('pooled');
    first.stageOf();
    second.stageOf();
    await clock.advance(1_000);
    expect([first.stageOf(), second.stageOf()]).toEqual(['pooled', 'pooled']);
    let told = 0;
    second.source.subscribe(() => {
      told += 1;
    });
    first.ledger.hold('sqlite', keyTarget('titanic'), author);
    await clock.advance(100);
    expect(second.stageOf()).toBe('legacy');
    expect(told).toBe(1);
  });

  test('it learns of a hold between reviews too, as often as the store may be read', async () => {
    const here = open({ reviewIntervalMs: 1_000 });
    const there = open({ reviewIntervalMs: 1_000 });
    const titanic = keyTarget('titanic');
    await clock.advance(160);
    here.hold('sqlite', titanic, author);
    await clock.advance(10);
    expect(there.isHeld('sqlite', titanic)).toBe(false);
    await clock.advance(150);
    expect(there.isHeld('sqlite', titanic)).toBe(true);
  });

  test('what is noted of a dataset moves and releases nothing, and keeps why it is held', async () => {
    const here = open();
    const there = open();
    const titanic = keyTarget('titanic');
    here.hold('sqlite', titanic, author);
    await here.review();
    here.note('sqlite', titanic, 'order was waived');
    await here.review();
    here.note('sqlite', titanic, 'a transaction was cut');
    await here.review();
    await there.review();
    expect(there.holds).toMatchObject([
      { stage: 'legacy', reason: 'it looks wrong; noted: a transaction was cut' },
    ]);
    expect(await there.history()).toMatchObject([
      { held: true, reason: 'it looks wrong' },
      { held: true, who: 'ada', to: 'legacy', reason: 'it looks wrong; noted: order was waived' },
      { held: true, who: 'ada', to: 'legacy' },
    ]);
  });

  test('two processes that step forward together write each step once', async () => {
    const processes = [start('pooled'), start('pooled'), start('pooled')];
    for (let review = 0; review < 10; review += 1) {
      for (const { stageOf } of processes) stageOf();
      await clock.advance(100);
    }
    expect(processes.map(({ stageOf }) => stageOf())).toEqual(['pooled', 'pooled', 'pooled']);
    expect(await lines(open())).toHaveLength(3);
  });

  test('whose step another process wrote a moment before stands there in the same review', async () => {
    const own = new SqliteLedgerStore(path);
    const other = new SqliteLedgerStore(path);
    const store: LedgerStore = {
      read: (sequence) => own.read(sequence),
      append: (changes) => {
        other.append(changes);
        return own.append(changes);
      },
      close: () => {
        own.close();
        other.close();
      },
    };
    const { stageOf } = start('shadow', { store });
    expect(stageOf()).toBe('legacy');
    await clock.advance(100);
    expect(stageOf()).toBe('shadow');
  });

  test('what newer flags of another process put back, older ones turn forward only once they are known to be the newest', async () => {
    const asked = (): number => clock.monotonicMs() - confirmedAtMs;
    let confirmedAtMs = clock.monotonicMs();
    const older = start('shadow', { flagsAgeMs: asked });
    const newer = start('shadow');
    older.stageOf();
    await clock.advance(200);
    expect([older.stageOf(), newer.stageOf()]).toEqual(['shadow', 'shadow']);
    newer.flags.set({ sqlite: 'legacy' });
    newer.stageOf();
    for (let review = 0; review < 5; review += 1) {
      await clock.advance(100);
      older.stageOf();
    }
    expect([older.stageOf(), newer.stageOf()]).toEqual(['legacy', 'legacy']);
    confirmedAtMs = clock.monotonicMs();
    await clock.advance(200);
    expect(older.stageOf()).toBe('shadow');
  });

  test('what another process moved forward by newer flags, older ones do not put back, and their calls do not follow', async () => {
    let confirmedAtMs = clock.monotonicMs();
    const older = start('shadow', { flagsAgeMs: () => clock.monotonicMs() - confirmedAtMs });
    const newer = start('shadow');
    for (const { stageOf } of [older, newer]) stageOf();
    await clock.advance(200);
    newer.flags.set({ sqlite: 'reverse' });
    for (let review = 0; review < 5; review += 1) {
      await clock.advance(100);
      for (const { stageOf } of [newer, older]) stageOf();
    }
    expect([older.stageOf(), newer.stageOf()]).toEqual(['shadow', 'reverse']);
    older.flags.set({ sqlite: 'reverse' });
    expect(older.stageOf()).toBe('reverse');
    expect(await lines(newer.ledger)).toEqual([
      'titanic: legacy → shadow by flag',
      'titanic: shadow → reverse by flag',
    ]);
    confirmedAtMs = clock.monotonicMs();
  });

  test('flags that are known to be the newest after that put it back, without another call', async () => {
    let confirmedAtMs = clock.monotonicMs();
    const one = start('shadow', { flagsAgeMs: () => clock.monotonicMs() - confirmedAtMs });
    const other = start('shadow');
    other.flags.set({ sqlite: 'reverse' });
    for (const { stageOf } of [one, other]) stageOf();
    for (let review = 0; review < 5; review += 1) {
      await clock.advance(100);
      other.stageOf();
    }
    expect([one.stageOf(), other.stageOf()]).toEqual(['shadow', 'reverse']);
    confirmedAtMs = clock.monotonicMs();
    await clock.advance(200);
    expect(await lines(other.ledger)).toContain('titanic: reverse → shadow by flag');
  });

  test('a hold wins over a step forward that another process made meanwhile', async () => {
    const first = start('shadow');
    const second = start('shadow');
    first.stageOf();
    await first.ledger.review();
    // The second has not read yet that the first has stepped forward.
    second.ledger.hold('sqlite', keyTarget('titanic'), author);
    await clock.advance(300);
    expect([first.stageOf(), second.stageOf()]).toEqual(['legacy', 'legacy']);
    expect((await lines(first.ledger)).at(-1)).toMatch(/→ legacy, held by ada/);
  });
});

describe('a store that makes trouble', () => {
  test('locked by another process: steps back hold at once, steps forward wait, nothing is lost', async () => {
    const { flags, ledger, stageOf } = start('shadow');
    stageOf();
    await clock.advance(100);
    const other = new DatabaseSync(path);
    other.exec('begin immediate');
    stageOf('iris');
    flags.set({ sqlite: 'legacy' });
    expect(stageOf()).toBe('legacy');
    await clock.advance(500);
    expect(errors).toEqual([]);
    flags.set({ sqlite: 'shadow' });
    stageOf('iris');
    await clock.advance(500);
    expect(stageOf('iris')).toBe('legacy');
    other.exec('rollback');
    other.close();
    await clock.advance(500);
    expect(stageOf('iris')).toBe('shadow');
    expect(await lines(ledger)).toContain('titanic: shadow → legacy by flag');
  });

  test('one that can not be opened is told once; nothing steps forward, holds count', async () => {
    const { ledger, stageOf } = start('pooled', {
      store: new SqliteLedgerStore(join(folder, 'missing', 'x.sqlite')),
    });
    stageOf();
    ledger.hold('sqlite', keyTarget('iris'), author);
    await clock.advance(5_000);
    expect([stageOf(), stageOf('iris')]).toEqual(['legacy', 'legacy']);
    expect(errors).toEqual([
      expect.stringMatching(
        /can not be read or written \(.*\): nothing steps forward .* To have it again: /,
      ),
    ]);
  });

  test('a slow one: what is decided while a line is written is written after it', async () => {
    const store = new SqliteLedgerStore(path);
    let proceed = (): void => undefined;
    const slow: LedgerStore = {
      read: (sequence) => store.read(sequence),
      append: async (written) => {
        await new Promise<void>((resolve) => {
          proceed = resolve;
        });
        return store.append(written);
      },
      close: () => {
        store.close();
      },
    };
    const ledger = open({ store: slow });
    ledger.hold('sqlite', keyTarget('titanic'), author);
    await clock.advance(0);
    ledger.resume('sqlite', keyTarget('titanic'), { who: 'grace', reason: 'it was nothing' });
    for (let write = 0; write < 2; write += 1) {
      proceed();
      await clock.advance(100);
    }
    expect(await lines(ledger)).toEqual([
      'titanic: legacy → legacy, held by ada',
      'titanic: legacy → legacy by grace',
    ]);
  });

  test('one that hangs does not keep the ledger from closing', async () => {
    const hangs: LedgerStore = {
      read: () => new Promise(() => undefined),
      append: () => [],
      close: () => undefined,
    };
    const ledger = open({ store: hangs });
    ledger.hold('sqlite', keyTarget('titanic'), author);
    const closed = ledger.close();
    await clock.advance(2_000);
    await closed;
    expect(ledger.isHeld('sqlite', keyTarget('titanic'))).toBe(true);
  });

  test('what was not written yet is written on closing, however much', async () => {
    const { ledger } = start('pooled');
    for (let dataset = 0; dataset < 350; dataset += 1)
      ledger.hold('sqlite', keyTarget(`d${String(dataset)}`), author);
    await ledger.close();
    expect(await lines(open())).toHaveLength(350);
  });
});

test('it shares the file with the recorder, in either order', async () => {
  const { ledger, stageOf } = start('shadow');
  const recorder = openRecorder({ path, run: 'test', logger, clock });
  recorder.cell('sqlite', 'titanic', 'query', 'shadow').calls += 1;
  stageOf();
  await clock.advance(1_000);
  recorder.close();
  expect(readRecordings(path).totals.calls).toBe(1);
  expect(await lines(ledger)).toHaveLength(1);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(errors).toEqual([]);
});

describe('a store that answers late', () => {
  test('holds every dataset at legacy until it has answered, and then lets go', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly LedgerChange[]>();
    const late: LedgerStore = { read: () => promise, append: () => [], close: () => undefined };
    const ledger = open({ store: late });
    const source = limitStages(createStaticStageSource({ sqlite: 'pooled' }), [
      ledgerHolds(ledger),
    ]);
    const stageOf = decider(source);
    let told = 0;
    source.subscribe(() => {
      told += 1;
    });
    expect(stageOf()).toBe('legacy');
    expect(
      source.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'query' }).reason,
    ).toMatch(/has not been read yet/);
    resolve([]);
    await settle();
    expect(stageOf()).toBe('pooled');
    expect(told).toBe(1);
  });

  test('that fails first and answers at a later review is obeyed from then on', async () => {
    let reads = 0;
    const down: LedgerStore = {
      read: () => (reads++ === 0 ? Promise.reject(new Error('no server')) : Promise.resolve([])),
      append: () => [],
      close: () => undefined,
    };
    const stageOf = decider(
      limitStages(createStaticStageSource({ sqlite: 'pooled' }), [
        ledgerHolds(open({ store: down })),
      ]),
    );
    await settle();
    expect(stageOf()).toBe('legacy');
    expect(errors).toHaveLength(1);
    await clock.advance(100);
    expect(stageOf()).toBe('pooled');
  });
});

test('of many keys a few are judged at a time, and the event loop has its turns in between', async () => {
  let [judged, spentMs] = [0, 0];
  const slow = {
    after: clock.after.bind(clock),
    wallMs: () => clock.wallMs() + spentMs,
    monotonicMs: () => clock.monotonicMs() + spentMs,
  };
  const ledger = open({
    clock: slow,
    gate: (): MoveJudgement => {
      judged += 1;
      spentMs += 3;
      return { verdict: 'pass', reason: 'all is well' };
    },
  });
  for (let key = 0; key < 20; key += 1)
    ledger.ask('sqlite', keyTarget(`key ${String(key)}`), 'shadow', 'one');
  const seen: number[] = [];
  const state = { done: false };
  const review = ledger.review().then(() => (state.done = true));
  while (!state.done) {
    seen.push(judged);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await review;
  expect(judged).toBe(20);
  expect(Math.max(...seen.map((now, at) => now - (seen[at - 1] ?? 0)))).toBeLessThanOrEqual(4);
  expect(ledger.limitsOn('sqlite', keyTarget('key 19'))).toMatchObject([{ stage: 'shadow' }]);
});
