import { describe, expect, test } from '@jest/globals';
import {
  bridgeOf,
  createBridge,
  read,
  silentLogger,
  type StageSource,
  write,
} from '@changeover/bridge';
import { digestResult } from '@changeover/compare';
import type { Leg, ShadowCall, Stage } from '@changeover/core';
import { contract, createStaticStageSource, planted, plantedCalls, stageOf } from './testing.ts';

class Notes {
  #rows = [{ id: 1 }];
  async list(): Promise<{ id: number }[]> {
    return this.#rows;
  }
  size(): number {
    return this.#rows.length;
  }
  async add(id: number): Promise<number> {
    if (id < 0) throw new RangeError('no such id');
    return this.#rows.push({ id });
  }
  find(id: number, done: (error: Error | null, row?: { id: number }) => void): void {
    setImmediate(() => {
      if (id < 0) done(new RangeError('no such id'));
      else done(null, { id });
    });
  }
}

const settings = (stages: StageSource) => ({
  name: 'notes',
  storePath: ':memory:',
  logger: silentLogger,
  guardrail: { mode: 'report' as const },
  stages,
});
const operations = {
  list: read.rows(),
  size: read(),
  add: write(),
  find: read({ callback: 'last' }),
};
const at = (stage: Stage) => settings(createStaticStageSource(() => stage));

describe('a planted fault', () => {
  test('in an object is met and found, and reaches no caller at shadow', async () => {
    const pooled = planted(new Notes(), (answer, { operation }) =>
      operation === 'list' ? [{ id: 2 }] : answer,
    );
    const notes = createBridge({
      ...at('shadow'),
      legacy: () => new Notes(),
      pooled: () => pooled,
      operations,
    });
    expect(stageOf(notes)).toBe('shadow');
    for (let call = 0; call < 3; call += 1) {
      expect(await notes.list()).toEqual([{ id: 1 }]);
      await bridgeOf(notes).idle();
    }
    expect(plantedCalls(pooled)).toBe(plantedCalls(pooled, 'list'));
    expect(plantedCalls(pooled)).toBeGreaterThan(0);
    expect(bridgeOf(notes).recorder.summary().totals.mismatch).toBeGreaterThan(0);
    await bridgeOf(notes).close();
  });

  test('in an object leaves what answers at once at once, and that object as it is', () => {
    const own = new Notes();
    expect(planted(own, () => 7).size()).toBe(7);
    expect(own.size()).toBe(1);
    expect(planted(own, (answer) => answer)).toBeInstanceOf(Notes);
  });

  test('in a leg is in what its shadow reads and digests, of rows and of values', async () => {
    const answers: Record<string, unknown> = { list: [{ id: 1 }], size: 1 };
    const api = { list: async () => answers['list'] };
    const kind = ({ operation }: ShadowCall) => (operation === 'list' ? 'rows' : 'value');
    const leg: Leg<typeof api> = {
      name: 'pooled',
      api,
      shadow: {
        admits: () => true,
        read: async (call) => answers[call.operation],
        digest: async (call) => digestResult(answers[call.operation], kind(call)),
      },
    };
    const { shadow, ...rest } = planted(leg, (answer) => (answer === 1 ? 2 : [{ id: 2 }]));
    const call = { operation: 'list', args: [], signal: new AbortController().signal };
    expect(await shadow?.read(call)).toEqual([{ id: 2 }]);
    expect(await shadow?.digest(call)).toEqual(digestResult([{ id: 2 }], 'rows'));
    expect(await shadow?.digest({ ...call, operation: 'size' })).toEqual(digestResult(2, 'value'));
    expect(shadow?.admits()).toBe(true);
    const none = planted(leg, (answer) => answer).shadow;
    expect(await none?.digest(call)).toEqual(digestResult([{ id: 1 }], 'rows'));
    expect(await rest.api.list()).toEqual([{ id: 1 }]);
  });

  test('is counted only where it was planted, and by calls that fail too', async () => {
    const notes = planted(new Notes(), (answer) => answer);
    await expect(notes.add(-1)).rejects.toThrow('no such id');
    expect(plantedCalls(notes, 'add')).toBe(1);
    expect(() => plantedCalls(new Notes())).toThrow(/not made by planted/);
  });
});

describe('the contract of a bridge', () => {
  const parts = { legacy: () => new Notes(), pooled: () => new Notes(), writes: ['add'] };
  const calls = {
    list: (notes: Notes) => notes.list(),
    size: (notes: Notes) => notes.size(),
    add: (notes: Notes) => notes.add(2),
    'add what is none': (notes: Notes) => notes.add(-1),
    find: (notes: Notes, done: (...outcome: unknown[]) => void) => {
      notes.find(1, done);
    },
    'find none': (notes: Notes, done: (...outcome: unknown[]) => void) => {
      notes.find(-1, done);
    },
  };

  test('is kept by one whose operations are declared as what they are', async () => {
    const faults = await contract({
      ...parts,
      calls,
      bridge: ({ stages, ...legs }) => createBridge({ ...settings(stages), ...legs, operations }),
    });
    expect(faults).toEqual([]);
  });

  test('is broken by a write that is declared as a read: it runs on both legs', async () => {
    const faults = await contract({
      ...parts,
      calls: { add: calls.add },
      bridge: ({ stages, ...legs }) =>
        createBridge({
          ...settings(stages),
          ...legs,
          operations: { ...operations, add: read() },
        }),
    });
    expect(faults).toContain('add at shadow wrote 2 times, not 1');
  });

  test('is broken by a leg that fails otherwise, where that leg answers', async () => {
    class Other extends Notes {
      override add(): Promise<number> {
        return Promise.reject(new TypeError('otherwise'));
      }
    }
    const faults = await contract({
      ...parts,
      pooled: () => new Other(),
      calls: { 'add none': calls['add what is none'] },
      bridge: ({ stages, ...legs }) => createBridge({ ...settings(stages), ...legs, operations }),
    });
    const fault = 'fails with TypeError: otherwise, not RangeError: no such id';
    expect(faults).toContain(`add none at pooled ${fault}`);
    expect(faults.filter((text) => text.includes('at shadow'))).toEqual([]);
  });

  test('is not kept where the guardrail puts the bridge back, and each stage is checked all the same', async () => {
    class Broken extends Notes {
      override list(): Promise<{ id: number }[]> {
        return Promise.reject(new Error('broken'));
      }
    }
    const faults = await contract({
      legacy: () => new Notes(),
      pooled: () => new Broken(),
      bridge: ({ legacy, pooled, stages }) =>
        createBridge({ ...settings(stages), guardrail: {}, legacy, pooled, operations }),
      calls: { list: (notes: Notes) => notes.list() },
    });
    expect(faults).toEqual(
      expect.arrayContaining([
        expect.stringContaining('the guardrail put the bridge back to legacy at shadow'),
        'list at reverse fails with Error: broken, not nothing',
        'list at pooled fails with Error: broken, not nothing',
      ]),
    );
  });
});
