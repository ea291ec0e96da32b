import { describe, expect, test } from '@jest/globals';
import { checkOperations } from './check-operations.ts';
import {
  bridgeOf,
  control,
  createBridge,
  createStaticStageSource,
  legacyOnly,
  read,
  silentLogger,
  sub,
  write,
} from '../index.ts';

const make = (options: object): object =>
  createBridge({
    storePath: ':memory:',
    logger: silentLogger,
    stages: createStaticStageSource(() => 'legacy'),
    name: 'store',
    legacy: () => ({ list: () => [1], close: () => 1, size: 1 }),
    pooled: () => ({ list: () => [1], close: () => 1, size: 1 }),
    operations: { list: read(), close: control() },
    ...options,
  });

describe('an operation is refused when the bridge is made', () => {
  test.each<[string, unknown, RegExp]>([
    [
      'of a kind that is none',
      { kind: 'raed' },
      /list is declared as "raed": write list: read\(\)/,
    ],
    [
      'with an option that is none',
      { ...read(), orderd: true },
      /no option orderd: did you mean "ordered"/,
    ],
    [
      'with the option of another',
      { ...read(), rehearse: () => 1 },
      /read\(…\) has no option rehearse/,
    ],
    [
      'with no function for one',
      { ...read(), compareAs: 'id' },
      /compareAs of read\(…\) is "id": it must be a function/,
    ],
    [
      'with no rehearsal',
      { ...write(), rehearse: true },
      /rehearse of write\(…\) is of type boolean/,
    ],
    ['with a callback in another place', { ...read(), callback: 'first' }, /it must be 'last'/],
    ['without its classifier', { kind: 'statement' }, /bySql\(…\) needs a classifier/],
    [
      'with a classifier that is none',
      { kind: 'statement', classifier: {} },
      /an object with classify\(sql\)/,
    ],
    ['as an object of which nothing is declared', sub({}), /sub\(\{\}\) names no method/],
    [
      'as an object of which nobody says what',
      { kind: 'sub' },
      /list: sub\(…\) says what each method/,
    ],
  ])('%s', (_what, spec, message) => {
    expect(() => {
      checkOperations({ list: spec });
    }).toThrow(message);
  });

  test.each<[string, (...given: readonly object[]) => unknown, RegExp]>([
    ['control()', control, /list: control\(…\) has no option callback: it has none/],
    ['legacyOnly()', legacyOnly, /list: legacyOnly\(…\) has no option callback: it has none/],
    [
      'sub({ … })',
      (options) => (sub as (...given: readonly unknown[]) => unknown)({ x: read() }, options),
      /list: sub\(…\) has no option callback: it has none/,
    ],
  ])('with options of %s, which has none', (_what, declared, message) => {
    expect(() => {
      checkOperations({ list: declared({ callback: 'last' }) });
    }).toThrow(message);
  });

  test('under a name that another has already', () => {
    for (const operations of [
      { 'nodes.list': read(), nodes: sub({ list: read() }) },
      { nodes: sub({ 'all.list': read(), all: sub({ list: write() }) }) },
      { nodes: sub({ 'all.list': read() }), 'nodes.all': sub({ list: write() }) },
    ])
      expect(() => {
        checkOperations(operations);
      }).toThrow(/Two operations are named nodes\.(all\.)?list/);
    checkOperations({ 'nodes.list': read(), nodes: sub({ add: write() }) });
  });

  test('by a name that the language asks for, a symbol, and in a list', () => {
    for (const name of ['then', 'constructor'])
      expect(() => {
        checkOperations({ [name]: read() });
      }).toThrow(`${name} can't be an operation`);
    expect(() => {
      checkOperations({ [Symbol('mark')]: read() });
    }).toThrow(/Symbol\(mark\) is a symbol/);
    expect(() => {
      checkOperations([]);
    }).toThrow(/what each method is/);
  });
});

describe('what is no method of the legacy leg is told apart', () => {
  test.each<[string, object, RegExp]>([
    ['a property', { size: read() }, /size: it is a property, which needs no declaration/],
    [
      'a method taken for an object',
      { list: sub({ x: read() }) },
      /list is a method: declare it as one/,
    ],
    ['an object that is not there', { nodes: sub({ x: read() }) }, /it has no object nodes/],
  ])('%s', async (_what, operations, message) => {
    const bridge = bridgeOf(make({ operations, undeclared: 'legacy' }));
    await expect(bridge.ready()).rejects.toThrow(message);
    await bridge.close();
  });
});

test.each<[string, object, RegExp]>([
  ['undeclared', { undeclared: 'ignore' }, /it must be 'refuse' or 'legacy'/],
  ['callable', { callable: 'yes' }, /it must be true or false/],
  ['answers', { answers: 'promise' }, /it must be 'promises'/],
  ['isUnavailable', { isUnavailable: true }, /it must be a function/],
  ['services', { services: {} }, /it must be bridgeOf\(other\)\.services/],
  ['key, a text', { key: 'tenant' }, /write key: \(\) => the key of all calls/],
  ['key, null', { key: null }, /The option key is null/],
  ['key, no function for a method', { key: { list: 'x' } }, /write list: \(…\) => the key/],
  [
    'key, of a call on both legs',
    { key: { close: () => 'x' } },
    /has no key: leave close out of key/,
  ],
])('the option %s is refused where it is none', (_what, options, message) => {
  expect(() => make(options)).toThrow(message);
});

test('settings beside services are refused by their names, for the services have theirs', async () => {
  const first = make({});
  const { services } = bridgeOf(first);
  expect(() => make({ name: 'second', services })).toThrow(
    'The option services of "second" brings storePath, stages, logger with it: give those to the bridge that made the services',
  );
  const none = { storePath: undefined, stages: undefined, logger: undefined };
  expect(() => make({ ...none, name: 'second', services, ledger: true })).toThrow(
    'brings ledger with it: give that to the bridge',
  );
  make({ ...none, name: 'second', services, rules: [] });
  await bridgeOf(first).close();
});

test('for … of over a bridge reads the answering leg', async () => {
  const stages = createStaticStageSource(() => 'legacy');
  const bag = createBridge({
    storePath: ':memory:',
    logger: silentLogger,
    stages,
    name: 'bag',
    legacy: () => new Set(['legacy']),
    pooled: () => new Set(['pooled']),
    operations: { has: read() },
    undeclared: 'legacy',
  });
  expect([...bag]).toEqual(['legacy']);
  stages.set(() => 'reverse');
  expect([...bag]).toEqual(['pooled']);
  await bridgeOf(bag).close();
});
