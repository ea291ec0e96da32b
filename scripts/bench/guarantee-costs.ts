import {
  bridgeOf,
  caller,
  createBridge,
  createStaticStageSource,
  read,
  silentLogger,
  write,
} from '@changeover/bridge';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { takeTurns, timeText, together } from './measure.ts';
import { atMost } from './verdict.ts';

/** Calls that each caller makes one after another. */
const callsEach = 50;
/** What a guarantee may add to a call, in µs. */
const mostAdded = 0.5;
/** The same for a write that stands in one line with those of all other callers. */
const mostAddedInLine = 5;

const letGo = { order: 'none', exclusion: 'none', session: 'none' } as const;
/** Each guarantee of a call of anyone's object by itself, and both. The session belongs to adapters and the storage API. */
const levels = {
  none: letGo,
  caller: { ...letGo, order: 'caller' },
  process: { ...letGo, order: 'process' },
  exclusion: { ...letGo, exclusion: 'process' },
  both: { ...letGo, order: 'caller', exclusion: 'process' },
} as const;

const titles = {
  caller: 'the order of each caller',
  process: 'the order of the process',
  exclusion: 'exclusion',
  both: 'order and exclusion, the default,',
} as const;

/** A singleton whose answers cost next to nothing, so that what is added shows. */
class Counter {
  #value = 0;
  async get(): Promise<number> {
    return this.#value;
  }
  async set(value: number): Promise<void> {
    this.#value = value;
  }
}

type Level = keyof typeof levels;

export const guaranteeCosts: BenchCase = {
  name: 'guarantee-costs',
  title:
    'what each guarantee adds to a read and a write, of one caller alone and beside nine others',
  run: measureCosts,
};

async function measureCosts(context: BenchContext): Promise<CaseResult> {
  const counters = Object.fromEntries(
    Object.entries(levels).map(([level, guarantees]) => [level, counterWith(guarantees)]),
  ) as Record<Level, Counter>;
  const figures: Figure[] = [];
  for (const count of [1, 10]) {
    for (const kind of ['read', 'write'] as const)
      figures.push(...(await costsOf(context, counters, kind, count)));
  }
  for (const counter of Object.values(counters)) await bridgeOf(counter).close();
  return { figures };
}

function counterWith(guarantees: (typeof levels)[Level]): Counter {
  return createBridge({
    name: 'counter',
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => 'pooled', { guarantees }),
    legacy: () => new Counter(),
    pooled: () => new Counter(),
    operations: { get: read(), set: write() },
  });
}

async function costsOf(
  context: BenchContext,
  counters: Readonly<Record<Level, Counter>>,
  kind: 'read' | 'write',
  count: number,
): Promise<Figure[]> {
  const side = (level: Level) => async (): Promise<undefined> => {
    const counter = counters[level];
    await together(count, () =>
      caller(async () => {
        for (let at = 0; at < callsEach; at += 1)
          await (kind === 'read' ? counter.get() : counter.set(at));
      }),
    );
  };
  const timings = await takeTurns(
    context,
    {
      none: side('none'),
      caller: side('caller'),
      process: side('process'),
      exclusion: side('exclusion'),
      both: side('both'),
    },
    { rounds: 25, roundMs: 40, equal: () => true },
  );
  const calls = count * callsEach;
  const place = count === 1 ? 'alone' : 'beside nine others';
  return (Object.keys(titles) as (keyof typeof titles)[]).map((level) =>
    figureOf({
      key: `${kind}-${count === 1 ? 'alone' : 'beside'}-${level}`,
      name: `a ${kind} ${place}: ${titles[level]} adds`,
      unit: 'µs',
      rounds: timings.addedMicros(level, 'none').map((micros) => micros / calls),
      target: atMost(
        level === 'process' && kind === 'write' && count > 1 ? mostAddedInLine : mostAdded,
      ),
      beside: `without any ${timeText(timings.medianMs('none') / calls)}`,
    }),
  );
}
