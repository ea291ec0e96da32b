import { bridgeOf, createBridge, read, write } from 'changeover';
import { contract, createStaticStageSource, planted, stageOf } from 'changeover/testing';
import { expect, test } from 'vitest';
import { keepShop } from './shop.js';

const store = [];
class Notes {
  async list() {
    return [...store];
  }
  async add(text) {
    store.push(text);
  }
}
class Broken extends Notes {
  async list() {
    throw new Error('broken');
  }
}
const bridge = ({ legacy, pooled, stages }) =>
  createBridge({
    name: 'notes',
    legacy,
    pooled,
    stages,
    storePath: ':memory:',
    operations: { list: read.rows(), add: write() },
  });
const faultsOf = (Pooled) =>
  contract({
    legacy: () => new Notes(),
    pooled: () => new Pooled(),
    bridge,
    calls: { list: (notes) => notes.list(), add: (notes) => notes.add('buy film') },
    writes: ['add'],
  });

test('keeps the contract', async () => {
  expect(await faultsOf(Notes)).toEqual([]);
});

test('says what is not kept', async () => {
  expect((await faultsOf(Broken)).join()).toMatch(/list at pooled fails/);
});

test('finds a planted fault', async () => {
  const notes = bridge({
    legacy: () => new Notes(),
    pooled: () => planted(new Notes(), () => ['other']),
    stages: createStaticStageSource({ notes: 'shadow' }),
  });
  await notes.list();
  await bridgeOf(notes).idle();
  expect(bridgeOf(notes).recorder.summary().totals.mismatch).toBe(1);
  expect(stageOf(notes)).toBe('legacy');
  await bridgeOf(notes).close();
});

test('compares what worker threads read', async () => {
  expect(await keepShop()).toEqual({ orders: 2, compared: true, threads: true });
});
