import { describe, expect, test } from '@jest/globals';
import { stages, type Clock, type Stage } from '@changeover/core';
import { silentLogger } from '../../log.ts';
import { FlagLayer } from './flag-layer.ts';
import { checkFlags } from './flags-document.ts';
import { LayeredFlags } from './layered-flags.ts';
import type { StageContext, StageOrigin } from './stage-source.ts';
import { variantNames } from './stage-variant.ts';

const context: StageContext = { backend: 'sqlite', dataset: 'titanic', operation: 'readTable' };

type Weights = readonly [number, number, number, number];
const all: Readonly<Record<Stage, Weights>> = {
  legacy: [1000, 0, 0, 0],
  shadow: [0, 1000, 0, 0],
  reverse: [0, 0, 1000, 0],
  pooled: [0, 0, 0, 1000],
};

function strategy(weights: Weights, payload?: object, more: object = {}): object {
  return {
    name: 'flexibleRollout',
    parameters: { rollout: '100', stickiness: 'dataset', groupId: 'changeover.sqlite' },
    variants: variantNames.map((name, index) => ({
      name,
      weight: weights[index],
      stickiness: 'dataset',
      ...(payload === undefined
        ? {}
        : { payload: { type: 'json', value: JSON.stringify(payload) } }),
    })),
    ...more,
  };
}

function flag(strategies: readonly object[], more: object = {}): object {
  return { name: 'changeover.sqlite', enabled: true, strategies, ...more };
}

function killSwitch(enabled: boolean): object {
  return { name: 'changeover', enabled, strategies: [] };
}

function layer(origin: StageOrigin, features: readonly object[]): FlagLayer {
  const checked = checkFlags({ version: 2, features }, 'server');
  const made = new FlagLayer(origin);
  made.load(checked, `${origin}-1`);
  return made;
}

function flags(...layers: FlagLayer[]): LayeredFlags {
  return new LayeredFlags(layers, manualClock(), silentLogger);
}

function manualClock(startMs = 0): Clock & { advance(ms: number): void } {
  let now = startMs;
  let timers: { at: number; task: () => void }[] = [];
  return {
    monotonicMs: () => now,
    wallMs: () => now,
    after(delayMs, task) {
      const timer = { at: now + delayMs, task };
      timers.push(timer);
      return {
        cancel: () => {
          timers = timers.filter((one) => one !== timer);
        },
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.task();
      }
      now = end;
    },
  };
}

describe('one layer', () => {
  test.each(stages)(
    'a flag that gives all weight to one variant puts every dataset on %s',
    (stage) => {
      const source = flags(layer('file', [flag([strategy(all[stage])])]));
      expect(source.decide(context)).toMatchObject({ stage, source: 'file', revision: 'file-1' });
    },
  );

  test('a backend without a flag is on legacy, and the answer says so', () => {
    const source = flags(layer('file', [flag([strategy(all.pooled)])]));
    expect(source.decide({ ...context, backend: 'duckdb' })).toMatchObject({
      stage: 'legacy',
      source: 'default',
      reason: 'there is no usable flag changeover.duckdb',
    });
  });

  test.each(['toString', '__proto__', 'constructor', ''])(
    'a backend called %j is on legacy',
    (backend) => {
      const source = flags(layer('file', [flag([strategy(all.pooled)])]));
      expect(source.decide({ ...context, backend }).stage).toBe('legacy');
    },
  );

  test('a flag that is off means legacy', () => {
    const source = flags(layer('file', [flag([strategy(all.pooled)], { enabled: false })]));
    const reason = 'the flag changeover.sqlite is off for it';
    expect(source.decide(context)).toMatchObject({ stage: 'legacy', reason });
  });

  test('a constraint picks datasets, and the first strategy that applies decides', () => {
    const constraints = [{ contextName: 'dataset', operator: 'IN', values: ['titanic'] }];
    const first = strategy(all.reverse, undefined, { constraints });
    const source = flags(layer('file', [flag([first, strategy(all.shadow)])]));
    expect(source.decide(context).stage).toBe('reverse');
    expect(source.decide({ ...context, dataset: 'iris' }).stage).toBe('shadow');
  });

  test('constraints see the operation and the backend', () => {
    const constraints = [
      { contextName: 'operation', operator: 'IN', values: ['readTable'] },
      { contextName: 'backend', operator: 'IN', values: ['sqlite'] },
    ];
    const first = strategy(all.pooled, undefined, { constraints });
    const source = flags(layer('file', [flag([first, strategy(all.legacy)])]));
    expect(source.decide(context).stage).toBe('pooled');
    expect(source.decide({ ...context, operation: 'execute' }).stage).toBe('legacy');
  });

  test('an operation that concerns no dataset gets one answer, not a random one', () => {
    const source = flags(
      layer('file', [flag([strategy([250, 250, 250, 250], undefined, { name: 'default' })])]),
    );
    const answers = new Set(
      Array.from({ length: 200 }, () => source.decide({ ...context, dataset: '' }).stage),
    );
    expect(answers.size).toBe(1);
  });

  test('the payload carries the settings, and what it leaves out is the default', () => {
    const source = flags(
      layer('file', [flag([strategy(all.shadow, { sampleRate: 0.5, maxRows: 10 })])]),
    );
    expect(source.decide(context).settings).toEqual({
      sampleRate: 0.5,
      deadlineMs: 5_000,
      rehearsalBudgetMs: 25,
      rehearsalSampleRate: 1,
      maxRows: 10,
      rules: [],
      accept: [],
      guarantees: { order: 'caller', exclusion: 'process', session: 'pin' },
    });
  });

  test.each([
    ['titanic', 'strategy 1 of 3, by its constraints'],
    ['iris', 'its strategy "first users"'],
    ['penguins', 'its default strategy'],
  ])('the reason for %s names the strategy that decided: %s', (dataset, named) => {
    const only = (name: string): object => ({
      constraints: [{ contextName: 'dataset', operator: 'IN', values: [name] }],
    });
    const source = flags(
      layer('file', [
        flag([
          strategy(all.shadow, { sampleRate: 0.5 }, only('titanic')),
          strategy(all.shadow, { sampleRate: 0.5 }, { ...only('iris'), title: 'first users' }),
          strategy(all.shadow, { sampleRate: 0.5 }),
        ]),
      ]),
    );
    expect(source.decide({ ...context, dataset })).toMatchObject({
      reason: `the flag changeover.sqlite assigns it the variant 1-shadow (${named})`,
      settings: { sampleRate: 0.5 },
    });
  });

  test('answers are frozen, since they are shared', () => {
    const { settings, ...decision } = flags(
      layer('file', [flag([strategy(all.shadow, {})])]),
    ).decide(context);
    expect([Object.isFrozen(settings), decision.stage]).toEqual([true, 'shadow']);
  });
});

describe('limits', () => {
  const limits = {
    datasets: { Titanic: 'shadow', iris: 'pooled' },
    operations: { execute: 'legacy', query: 'reverse' },
  };
  const source = flags(layer('file', [flag([strategy(all.pooled, { limits })])]));
  const stageOf = (dataset: string, operation: string): Stage =>
    source.decide({ backend: 'sqlite', dataset, operation }).stage;

  test.each([
    ['penguins', 'readTable', 'pooled'],
    ['titanic', 'readTable', 'shadow'],
    ['iris', 'readTable', 'pooled'],
    ['penguins', 'execute', 'legacy'],
    ['penguins', 'query', 'reverse'],
    ['titanic', 'query', 'shadow'],
    ['titanic', 'execute', 'legacy'],
  ] as const)('dataset %s, operation %s: at most %s', (dataset, operation, stage) => {
    expect(stageOf(dataset, operation)).toBe(stage);
  });

  test('the reason says which limit held it back', () => {
    expect(
      source.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'query' }).reason,
    ).toBe(
      'the payload of 3-pooled keeps the key titanic at shadow; the flag asks for pooled: ' +
        'the flag changeover.sqlite assigns it the variant 3-pooled (its default strategy)',
    );
  });

  test('a limit never moves a dataset on', () => {
    const early = flags(
      layer('file', [
        flag([strategy(all.shadow, { limits: { datasets: { titanic: 'pooled' } } })]),
      ]),
    );
    expect(early.decide(context).stage).toBe('shadow');
  });
});

describe('weights', () => {
  const datasets = Array.from({ length: 10_000 }, (_, index) => `dataset-${String(index)}`);
  const positions = (weights: Weights): number[] => {
    const source = flags(layer('file', [flag([strategy(weights)])]));
    return datasets.map((dataset) => stages.indexOf(source.decide({ ...context, dataset }).stage));
  };

  test('0, 10, 50, 100 % of each step move no dataset backward and none past a stage', () => {
    const steps: Weights[] = [];
    for (const from of [0, 1, 2]) {
      for (const moved of [0, 100, 500, 1000]) {
        const weights: [number, number, number, number] = [0, 0, 0, 0];
        weights[from] = 1000 - moved;
        weights[from + 1] = moved;
        steps.push(weights);
      }
    }
    let before = positions(all.legacy);
    for (const weights of steps) {
      const after = positions(weights);
      const jumps = after.map((position, index) => position - (before[index] ?? 0));
      expect(Math.min(...jumps)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...jumps)).toBeLessThanOrEqual(1);
      before = after;
    }
    expect(new Set(before)).toEqual(new Set([3]));
  });

  test('a weight of 10 % takes about 10 % of the datasets', () => {
    const moved = positions([900, 100, 0, 0]).filter((position) => position === 1).length;
    expect(moved).toBeGreaterThan(900);
    expect(moved).toBeLessThan(1_100);
  });
});

describe('layers', () => {
  const server = layer('server', [killSwitch(true), flag([strategy(all.reverse)])]);
  const file = layer('file', [
    killSwitch(true),
    flag([strategy(all.shadow)]),
    { ...flag([strategy(all.pooled)]), name: 'changeover.duckdb' },
  ]);

  test('each flag comes from the best layer that has it', () => {
    const source = flags(server, file);
    expect(source.decide(context)).toMatchObject({ stage: 'reverse', source: 'server' });
    expect(source.decide({ ...context, backend: 'duckdb' })).toMatchObject({
      stage: 'pooled',
      source: 'file',
    });
    expect(source.decide({ ...context, backend: 'postgresql' })).toMatchObject({
      stage: 'legacy',
      source: 'default',
    });
  });

  test('a flag with a problem is passed over, for the next layer that has it', () => {
    const broken = layer('server', [killSwitch(true), flag([strategy([0, 0, 0, 0])])]);
    expect(flags(broken, file).decide(context)).toMatchObject({ stage: 'shadow', source: 'file' });
  });

  test('the kill switch of the best layer stops the flags of all layers', () => {
    const stopped = layer('server', [killSwitch(false)]);
    expect(flags(stopped, file).decide(context)).toMatchObject({
      stage: 'legacy',
      source: 'server',
      reason: 'the kill switch "changeover" is off',
    });
  });

  test('the kill switch of a lesser layer does not stop what the better one lets through', () => {
    const fileStopped = layer('file', [killSwitch(false), flag([strategy(all.shadow)])]);
    expect(flags(server, fileStopped).decide(context).stage).toBe('reverse');
  });

  test('a disabled parent stops a flag that depends on it', () => {
    const parent = { name: 'other', enabled: false, strategies: [] };
    const child = flag([strategy(all.pooled)], { dependencies: [{ feature: 'other' }] });
    expect(flags(layer('file', [parent, child])).decide(context).stage).toBe('legacy');
  });
});

describe('date constraints', () => {
  const at = Date.parse('2026-03-01T00:00:00Z');

  test('an answer that changes by the date alone is told to the subscribers at that moment', () => {
    const clock = manualClock(at - 3 * 24 * 3_600_000);
    const constraints = [
      { contextName: 'currentTime', operator: 'DATE_AFTER', value: '2026-03-01T00:00:00Z' },
    ];
    const first = strategy(all.shadow, undefined, { constraints });
    const file = layer('file', [flag([first, strategy(all.legacy)])]);
    const source = new LayeredFlags([file], clock, silentLogger);
    const told: Stage[] = [];
    source.subscribe(() => {
      told.push(source.decide(context).stage);
    });
    expect(source.decide(context).stage).toBe('legacy');
    clock.advance(3 * 24 * 3_600_000 - 1);
    expect(told).toEqual([]);
    clock.advance(2);
    expect(told).toEqual(['shadow']);
  });
});

describe('subscribers', () => {
  test('one that throws is logged, and the others are told', () => {
    const errors: string[] = [];
    const logger = {
      ...silentLogger,
      error: (_fields: object, text: string) => {
        errors.push(text);
      },
    };
    const source = new LayeredFlags([], manualClock(), logger);
    let told = 0;
    source.subscribe(() => {
      throw new Error('broken');
    });
    const unsubscribe = source.subscribe(() => {
      told += 1;
    });
    source.changed();
    unsubscribe();
    source.changed();
    expect(told).toBe(1);
    expect(errors).toHaveLength(2);
  });

  test('a closed source tells nobody', () => {
    const source = flags();
    let told = 0;
    source.subscribe(() => {
      told += 1;
    });
    source.close();
    source.changed();
    expect(told).toBe(0);
  });
});
