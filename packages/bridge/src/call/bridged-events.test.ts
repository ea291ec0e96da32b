import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Stage, stages } from '@changeover/core';
import {
  bridgeOf,
  createBridge,
  createStaticStageSource,
  read,
  silentLogger,
  type StaticStageSource,
  write,
} from '../index.ts';

const open: object[] = [];
afterEach(async () => {
  for (const object of open.splice(0)) await bridgeOf(object).close();
});

/** A singleton that tells who listens what was read and written. */
class Store extends EventEmitter {
  get(key: string): string {
    this.emit('get', key);
    return key;
  }
  async find(key: string): Promise<string> {
    await Promise.resolve();
    this.emit('find', key);
    return key;
  }
  set(key: string): void {
    this.emit('set', key);
  }
}

function bridged(stage: Stage | StaticStageSource, pooled: () => Store | Promise<Store>): Store {
  const made = createBridge({
    name: 'store',
    legacy: () => new Store(),
    pooled,
    operations: { get: read(), find: read(), set: write() },
    storePath: ':memory:',
    logger: silentLogger,
    stages: typeof stage === 'string' ? createStaticStageSource(() => stage) : stage,
  });
  open.push(made);
  return made;
}

describe.each(stages)('the events of a bridged emitter at %s', (stage) => {
  test('reach a listener once a call, whichever leg made it', async () => {
    const store = bridged(stage, () => new Store());
    const heard: string[] = [];
    for (const name of ['get', 'find', 'set'])
      store.on(name, (key: string) => heard.push(`${name} ${key}`));
    store.set('a');
    store.get('b');
    await store.find('c');
    await bridgeOf(store).idle();
    expect(heard).toEqual(['set a', 'get b', 'find c']);
  });

  test('are heard with the bridge as this, by once and on alike', () => {
    const store = bridged(stage, () => new Store());
    const heard: unknown[] = [];
    const listener = function (this: unknown): void {
      heard.push(this);
    };
    expect(store.once('set', listener)).toBe(store);
    store.prependListener('set', listener);
    store.set('a');
    store.set('b');
    expect(heard).toHaveLength(3);
    expect(heard.every((self) => self === store)).toBe(true);
  });

  test('are waited for by once(), and no longer heard when the listener is taken away', async () => {
    const store = bridged(stage, () => new Store());
    setImmediate(() => {
      store.set('a');
    });
    await expect(once(store, 'set')).resolves.toEqual(['a']);
    expect(store.listenerCount('set')).toBe(0);
    const heard: string[] = [];
    const listener = (key: string) => heard.push(key);
    store.on('set', listener);
    store.once('set', listener);
    expect(store.listeners('set')).toEqual([listener, listener]);
    expect(store.eventNames()).toEqual(['set']);
    store.off('set', listener);
    store.removeListener('set', listener);
    store.set('b');
    expect(heard).toEqual([]);
  });

  test('throw as an error does that nobody listens for, once nobody does', () => {
    const store = bridged(stage, () => new Store());
    const listener = (): void => undefined;
    store.on('error', listener);
    expect(store.emit('error', new Error('heard'))).toBe(true);
    store.removeAllListeners();
    expect(() => store.emit('error', new Error('not heard'))).toThrow('not heard');
  });
});

test('listeners stay while the stage moves, and hear a pooled leg that is made late', async () => {
  const source = createStaticStageSource(() => 'legacy');
  const store = bridged(source, () => Promise.resolve(new Store()));
  const heard: string[] = [];
  store.on('set', (key: string) => heard.push(key));
  await bridgeOf(store).ready();
  for (const next of [...stages, 'legacy' as const]) {
    source.set(() => next);
    store.set(next);
  }
  await bridgeOf(store).idle();
  expect(heard).toEqual(['legacy', 'shadow', 'reverse', 'pooled', 'legacy']);
});

test('a pooled leg that emits nothing is told of once', () => {
  const told: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, message: string) => told.push(message) };
  const store = createBridge({
    name: 'store',
    legacy: () => new Store(),
    pooled: () => ({ get: (key: string) => key, find: (key: string) => Promise.resolve(key) }),
    operations: { get: read(), find: read() },
    undeclared: 'legacy',
    storePath: ':memory:',
    logger,
    stages: createStaticStageSource({ store: 'pooled' }),
  });
  open.push(store);
  store.on('get', () => undefined);
  store.on('find', () => undefined);
  expect(told.filter((message) => message.includes('EventEmitter'))).toHaveLength(1);
});
