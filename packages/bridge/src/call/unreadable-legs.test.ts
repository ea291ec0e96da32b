import { afterEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import {
  bridgeOf,
  createBridge,
  createStaticStageSource,
  read,
  silentLogger,
  sub,
} from '../index.ts';

const open: object[] = [];
afterEach(async () => {
  for (const object of open.splice(0)) await bridgeOf(object).close();
});

interface Users {
  find(): string | { readonly id: number };
}
interface Store {
  readonly users: Users;
  list(): string;
}

class Plain implements Store {
  readonly users: Users = { find: () => 'one' };
  list(): string {
    return 'all';
  }
}

/** The bridge of a store whose legs can be anything, at `legacy`. */
function bridged(legs: {
  readonly legacy?: () => unknown;
  readonly pooled?: () => unknown;
  readonly clock?: ManualClock;
  readonly warn?: (line: object, text?: string) => void;
}): Store {
  const { legacy = () => new Plain(), pooled = () => new Plain(), clock, warn } = legs;
  const store = createBridge({
    storePath: ':memory:',
    stages: createStaticStageSource(() => 'legacy'),
    logger: { ...silentLogger, ...(warn && { warn }) },
    clock,
    name: 'store',
    legacy: legacy as () => Store,
    pooled: pooled as () => Store,
    operations: { users: sub({ find: read() }), list: read() },
  });
  open.push(store);
  return store;
}

/** Answers every name with a function, as a mock or the client of some remote API does. */
const catchAll = (): object => new Proxy({}, { get: () => () => undefined });
const throwing = (): never => {
  throw new Error('connect first');
};

describe.each(['legacy', 'pooled'] as const)('a %s leg', (leg) => {
  test('that answers every name, `then` too, is refused in words: awaiting it would never end', async () => {
    const store = bridged({ [leg]: catchAll });
    const message = `The ${leg} leg of "store" answers every name with a function, "then" too, so that who awaits it waits for ever`;
    expect(() => store.list()).toThrow(message);
    await expect(bridgeOf(store).ready()).rejects.toThrow(message);
  });

  test('that answers every name but `then` is an object like any other', async () => {
    const get = (_target: object, name: PropertyKey): unknown =>
      name === 'then' ? undefined : name === 'users' ? new Plain().users : () => 'all';
    const store = bridged({ [leg]: () => new Proxy({}, { get }) });
    await bridgeOf(store).ready();
    expect(store.list()).toBe('all');
  });

  test('that throws for names that it does not have is an object like any other', async () => {
    const get = (target: object, name: PropertyKey): unknown =>
      name in target ? Reflect.get(target, name) : throwing();
    const store = bridged({ [leg]: () => new Proxy(new Plain(), { get }) });
    await bridgeOf(store).ready();
    expect(store.list()).toBe('all');
  });

  test('of which a property throws is refused by the names of both, in one message with all others', () => {
    const broken = {
      get list(): never {
        return throwing();
      },
      get users(): never {
        return throwing();
      },
    };
    const store = bridged({ [leg]: () => broken });
    let refused: unknown;
    try {
      store.list();
    } catch (error) {
      refused = error;
    }
    const message = String(refused);
    for (const name of ['list', 'users'])
      expect(message).toContain(
        `reading ${name} of the ${leg} leg throws Error: connect first: give that leg when it is ready, ${leg}: async () => `,
      );
    expect(refused).toMatchObject({ code: 'WIRING', cause: new Error('connect first') });
  });

  test('that is promised and does not come is told of after ten seconds', async () => {
    const clock = new ManualClock();
    const warnings: unknown[] = [];
    const store = bridged({
      // Awaiting such a proxy never ends, wherever it is done.
      [leg]: async () => catchAll(),
      clock,
      warn: (line, text) => warnings.push([line, text]),
    });
    void store.list();
    await clock.advance(9_999);
    expect(warnings).toEqual([]);
    await clock.advance(1);
    expect(warnings).toEqual([
      [
        { event: 'leg-not-there', backend: 'store', legs: [leg] },
        expect.stringMatching(/promised and not there after 10 s.*answers every name/),
      ],
    ]);
  });
});

test('a pooled leg of which a property throws later breaks no call of the legacy leg', () => {
  let isClosed = false;
  const pooled = {
    get list(): () => string {
      return isClosed ? throwing() : () => 'all';
    },
    get users(): Users {
      return isClosed ? throwing() : new Plain().users;
    },
  };
  const store = bridged({
    legacy: () => ({ users: { find: () => ({ id: 1 }) }, list: () => 'all' }),
    pooled: () => pooled,
  });
  expect(store.list()).toBe('all');
  isClosed = true;
  expect(store.list()).toBe('all');
  expect(store.users.find()).toEqual({ id: 1 });
});
