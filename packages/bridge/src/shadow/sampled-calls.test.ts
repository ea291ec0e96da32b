import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Context,
  context,
  type ContextManager,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import { openRecorder } from '../recorder/open-recorder.ts';
import { readRecordings } from '../recorder/read-recordings.ts';
import { notesOperations, SeenLogger, type TwoLegs, twoLegs } from '../test-kit/two-legs.ts';

const secret = 's3cr3t-of-a-caller';

/** One mismatch of a read with a secret in its arguments and in both legs' rows. */
async function mismatch(legs: TwoLegs, more: readonly unknown[] = []): Promise<void> {
  legs.legacy.answer = [{ id: 1, note: `${secret} one` }];
  legs.pooled.answer = [{ id: 1, note: `${secret} two` }];
  const list = legs.api.list as (...args: readonly unknown[]) => Promise<unknown>;
  await list('inbox', { text: secret, limit: 5 }, [secret, 7], ...more);
  await legs.router.idle();
}

describe('the call of a mismatch', () => {
  const list = { ...notesOperations.list, shape: () => 'by text' } as typeof notesOperations.list;
  const operations = { ...notesOperations, list };

  test('is in its sample, without its values', async () => {
    const legs = twoLegs('shadow', { operations });
    await mismatch(legs);
    expect(legs.recorder.samples).toMatchObject([
      {
        verdict: 'mismatch',
        dataset: 'inbox',
        shape: 'by text',
        call: {
          kind: 'read',
          values: 'redacted',
          args: ['key', { text: 'text(18)', limit: 'number' }, ['text(18)', 'number']],
        },
        legacy: [{ row: 0, column: 'note', value: { type: 'string', length: 22 } }],
      },
    ]);
    expect(legs.recorder.samples[0]?.call).not.toHaveProperty('trace');
  });

  test('is as the caller passed it, whatever the caller does to its objects afterwards', async () => {
    const legs = twoLegs('shadow', { sampleValues: 'raw' });
    legs.pooled.answer = 'another answer';
    const words = ['before'];
    await (legs.api.read as (...args: readonly unknown[]) => Promise<unknown>)('inbox', words);
    words[0] = 'after';
    await legs.router.idle();
    expect(legs.recorder.samples[0]?.call?.args).toEqual(['inbox', ['before']]);
  });

  test('has its values where samples are raw, and so have the places that differ', async () => {
    const legs = twoLegs('shadow', { operations, sampleValues: 'raw' });
    await mismatch(legs);
    expect(legs.recorder.samples).toMatchObject([
      {
        call: { values: 'raw', args: ['inbox', { text: secret, limit: 5 }, [secret, 7]] },
        legacy: [{ row: 0, column: 'note', value: `${secret} one` }],
        pooled: [{ row: 0, column: 'note', value: `${secret} two` }],
      },
    ]);
  });

  test('of a write says that it is one', async () => {
    const legs = twoLegs('shadow', {
      operations: {
        ...notesOperations,
        add: { kind: 'write', comparison: 'observed', read: 'read' },
      },
    });
    legs.pooled.answer = 'another answer';
    await legs.api.add('inbox', secret);
    await legs.router.idle();
    expect(legs.recorder.samples[0]).toMatchObject({
      operation: 'add',
      call: { kind: 'write', args: ['key', 'text(18)'] },
    });
  });

  test.each(['redacted', 'raw'] as const)(
    'is told by the log without its values where samples are %s, with the id that reproduces it',
    async (sampleValues) => {
      const legs = twoLegs('shadow', { operations, sampleValues });
      await mismatch(legs);
      const told = legs.logger.lines.find(({ message }) => message === 'mismatch');
      expect(told?.fields).toMatchObject({ sample: expect.stringMatching(/^[0-9a-z]{8}$/) });
      expect(JSON.stringify(legs.logger.lines)).not.toContain(secret);
    },
  );
});

test('words that are no name of an error are in no sample, and still tell two errors apart', async () => {
  const legs = twoLegs('shadow');
  const failing = (code: string) => () => {
    throw Object.assign(new Error(secret), { code });
  };
  legs.legacy.does.read = failing(`${secret} is no number`);
  legs.pooled.does.read = failing(`${secret} is no date`);
  await legs.api.read('inbox').catch(() => undefined);
  await legs.router.idle();
  expect(legs.recorder.samples).toMatchObject([{ verdict: 'mismatch', class: 'error' }]);
  expect(JSON.stringify([legs.recorder.samples, legs.logger.lines])).not.toContain(secret);
});

describe('in the store', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'changeover-calls-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function stored(sampleValues: 'redacted' | 'raw'): Promise<string> {
    const logger = new SeenLogger();
    const path = join(folder, 'store.sqlite');
    const recorder = openRecorder({ path, run: 'test', logger });
    const list = { ...notesOperations.list, functions: 'pure' } as typeof notesOperations.list;
    const operations = { ...notesOperations, list };
    const legs = twoLegs('shadow', { operations, recorder, logger, sampleValues });
    await mismatch(legs);
    await mismatch(legs, [() => secret]);
    recorder.close();
    expect(readRecordings(path).sampleGroups).toMatchObject([
      { key: 'inbox', shape: '', count: 2, samples: [{}, {}] },
    ]);
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
    return JSON.stringify(logger.lines) + files.join('');
  }

  test('no value of a call or an answer is, nor in the log', async () => {
    expect((await stored('redacted')).includes(secret)).toBe(false);
  });

  test('they are where samples are raw: the test above looks at the right place', async () => {
    expect((await stored('raw')).includes(secret)).toBe(true);
  });
});

describe("the caller's trace", () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

  afterEach(() => {
    context.disable();
  });

  test('is in the sample where OpenTelemetry is set up and a span is active', async () => {
    context.setGlobalContextManager(new Contexts());
    const legs = twoLegs('shadow');
    const span = trace.wrapSpanContext({ traceId, spanId: '00f067aa0ba902b7', traceFlags: 1 });
    await context.with(trace.setSpan(ROOT_CONTEXT, span), () => mismatch(legs));
    await mismatch(legs);
    expect(legs.recorder.samples.map(({ call }) => call?.trace)).toEqual([traceId, undefined]);
  });

  test('is not asked for where OpenTelemetry is not set up', async () => {
    const setUp = Symbol.for('opentelemetry.js.api.1');
    const before = (globalThis as Record<symbol, unknown>)[setUp];
    Reflect.deleteProperty(globalThis, setUp);
    try {
      const legs = twoLegs('shadow');
      await mismatch(legs);
      expect(legs.recorder.samples[0]?.call).not.toHaveProperty('trace');
    } finally {
      if (before !== undefined) Reflect.set(globalThis, setUp, before);
    }
  });
});

/** What an SDK of OpenTelemetry sets up. */
class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<Args extends unknown[], F extends (...args: Args) => ReturnType<F>>(
    active: Context,
    run: F,
    self?: ThisParameterType<F>,
    ...args: Args
  ): ReturnType<F> {
    return this.#storage.run(active, () => run.apply(self, args));
  }

  bind<T>(_context: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}
