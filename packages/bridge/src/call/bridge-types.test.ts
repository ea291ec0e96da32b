import { expect, test } from '@jest/globals';
import { createBridge } from '../create-bridge.ts';
import { control, legacyOnly, read, sub, transaction, write } from './operations.ts';
import * as moduleOfFunctions from './method-names.ts';

/**
 * What TypeScript makes of a bridge: checked by `npm run typecheck`, where a line that is to be refused and is not is an error.
 * Nothing here is run.
 */

class Notes {
  static shared = new Notes();
  #path = '';
  private rows = 2;
  get count(): number {
    return this.rows + this.#path.length;
  }
  async list(_notebook: string, _options?: { limit: number }): Promise<{ id: number }[]> {
    return [];
  }
  async add(_notebook: string, _text: string, _at: number): Promise<number> {
    return this.rows;
  }
  size(_notebook: string): number {
    return this.rows;
  }
  maybe?(at: number): Promise<string>;
  async get<T = unknown>(_key: string): Promise<T | undefined> {
    return undefined;
  }
  over(text: string): Promise<string>;
  over(at: number): Promise<number>;
  async over(either: string | number): Promise<string | number> {
    return either;
  }
  find(_text: string, done: (error: Error | null, rows: readonly string[]) => void): void {
    done(null, []);
  }
  async inOne<R>(work: (notes: Notes) => Promise<R>): Promise<R> {
    return await work(this);
  }
  close(): void {
    this.rows = 0;
  }
}

/** Another class with private state of its own, and more methods than were declared. */
class PooledNotes {
  #rows = 1;
  async list(_notebook: string): Promise<{ id: number }[]> {
    return [{ id: this.#rows }];
  }
  async add(_notebook: string, _text: string, _at: number): Promise<number> {
    return this.#rows;
  }
  async rehearseAdd(_text: string): Promise<number> {
    return this.#rows;
  }
}

/** Fails to compile where the types are not the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
function exactly<B>(): <A>(value: A, same: Same<A, B>) => void {
  return () => undefined;
}

const name = 'notes';
const legacy = () => Notes.shared;
/** Where it is the operations that are at fault. */
const noLeg = (): never => {
  throw new Error('not called');
};
const list = { list: async () => [{ id: 1 }] };

/** For the compiler alone: never called. */
export function accepted(): void {
  const notes = createBridge({
    name,
    legacy,
    pooled: () => ({
      list: async (notebook, options) => [{ id: options?.limit ?? notebook.length }],
      add: async (notebook, text, at) => notebook.length + text.length + at,
      // What answers at once may come to answer a promise: its operation then stays at shadow.
      size: async (notebook) => notebook.length,
      maybe: async (at) => at.toFixed(),
      get: async () => undefined,
      over: async (at) => at,
      find: (text, done) => {
        done(null, [text]);
      },
      inOne: async (work) => await work(Notes.shared),
      close: () => undefined,
    }),
    operations: {
      list: read.rows(),
      add: write(),
      size: read(),
      maybe: read(),
      get: read(),
      over: read(),
      find: read.rows({ callback: 'last' }),
      inOne: transaction(),
      close: control(),
    },
    key: {
      list: (notebook) => notebook.toLowerCase(),
      add: (notebook, text, at) => notebook + text + at.toFixed(),
      maybe: (at) => at.toFixed(),
    },
  });
  exactly<Notes>()(notes, true);
  exactly<Promise<Date | undefined>>()(notes.get<Date>(''), true);

  // A subset, from an object literal and from an instance of another class.
  createBridge({ name, legacy, pooled: () => list, operations: { list: read.rows() } });
  const other = createBridge({
    name,
    legacy,
    pooled: () => new PooledNotes(),
    operations: { list: read.rows(), add: write() },
  });
  exactly<Notes>()(other, true);

  // Promised legs.
  const promised = createBridge({
    name,
    legacy: async () => new Notes(),
    pooled: async () => new PooledNotes(),
    operations: { list: read.rows() },
  });
  exactly<Notes>()(promised, true);
  createBridge({
    name,
    legacy,
    pooled: () => Promise.resolve({ pooled: new PooledNotes() }).then(({ pooled }) => pooled),
    operations: { list: read.rows() },
  });

  // A class with statics, a module's namespace, a function with methods.
  class Repository {
    private static readonly rows = 1;
    static async find(id: number): Promise<number[]> {
      return [id + Repository.rows];
    }
  }
  const repository = createBridge({
    name,
    legacy: () => Repository,
    pooled: () => ({ find: async (id) => [id.valueOf()] }),
    operations: { find: read.rows() },
    key: { find: (id) => id.toFixed() },
    callable: true,
  });
  exactly<typeof Repository>()(repository, true);
  const namespace = createBridge({
    name,
    legacy: () => moduleOfFunctions,
    pooled: () => ({ methodNames: () => [] }),
    operations: { methodNames: read() },
  });
  exactly<typeof moduleOfFunctions>()(namespace, true);
  interface Database {
    (sql: string): Promise<unknown[]>;
    query(sql: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>;
  }
  const database = createBridge({
    name,
    legacy: () => Object.assign(async () => [], { query: async () => ({ rows: [] }) }) as Database,
    pooled: () => ({ query: async (sql, parameters) => ({ rows: [sql, parameters] }) }),
    operations: { query: read.rows() },
    callable: true,
  });
  exactly<Database>()(database, true);

  // Generics of the class.
  class Collection<T> {
    readonly items: T[] = [];
    async all(): Promise<T[]> {
      return this.items;
    }
  }
  const collection = createBridge({
    name,
    legacy: () => new Collection<number>(),
    pooled: () => ({ all: async () => [1] }),
    operations: { all: read.rows() },
  });
  exactly<Collection<number>>()(collection, true);

  // How answers are compared, and writes rehearsed: parameters are named, and checked.
  createBridge({
    name,
    legacy,
    pooled: () => new PooledNotes(),
    operations: {
      list: read.rows({
        compareAs: (rows: { id: number }[]) => rows.map(({ id }) => id),
        ordered: (notebook: string) => notebook !== '',
      }),
      add: write({
        rehearse: (pooled: PooledNotes, _notebook: string, text: string) =>
          pooled.rehearseAdd(text),
        observe: (leg: Pick<Notes, 'list'>, notebook: string) => leg.list(notebook),
      }),
    },
  });
  createBridge({
    name,
    legacy,
    pooled: () => ({ find: () => undefined }),
    operations: {
      find: read.rows({ callback: 'last', compareAs: (rows: readonly string[]) => rows.length }),
    },
  });

  // Objects inside, and what stays.
  createBridge({
    name,
    legacy: () => ({ nodes: { upsert: async (id: string) => id }, version: () => 1 }),
    pooled: () => ({ nodes: { upsert: async (id) => id.trim() } }),
    operations: { nodes: sub({ upsert: write() }), version: legacyOnly() },
  });

  // One key for all calls.
  createBridge({
    name,
    legacy,
    pooled: () => list,
    operations: { list: read.rows() },
    key: () => undefined,
  });
}

/** For the compiler alone: never called. */
export function refused(): void {
  const operations = { list: read.rows() };
  // @ts-expect-error The legacy object has no such method.
  createBridge({ name, legacy, pooled: noLeg, operations: { lst: read.rows() } });
  // @ts-expect-error A getter is no operation.
  createBridge({ name, legacy, pooled: noLeg, operations: { count: read() } });
  // @ts-expect-error A private member is none either.
  createBridge({ name, legacy, pooled: noLeg, operations: { rows: read() } });
  // @ts-expect-error A number is no list of rows.
  createBridge({ name, legacy, pooled: noLeg, operations: { size: read.rows() } });
  const two = { list: read.rows(), add: write() };
  // @ts-expect-error The pooled leg lacks a declared method.
  createBridge({ name, legacy, pooled: () => list, operations: two });
  // @ts-expect-error It answers another type.
  createBridge({ name, legacy, pooled: () => ({ list: async () => [{ id: '' }] }), operations });
  // @ts-expect-error It takes another type.
  createBridge({ name, legacy, pooled: () => ({ list: async (_: number) => [] }), operations });
  // @ts-expect-error As a promise it is no better.
  createBridge({ name, legacy, pooled: async () => ({ list: async () => [''] }), operations });
  // @ts-expect-error A key of an operation that was not declared.
  createBridge({ name, legacy, pooled: () => list, operations, key: { add: () => '' } });
  // @ts-expect-error A key is a text.
  createBridge({ name, legacy, pooled: () => list, operations, key: { list: () => 1 } });
  // @ts-expect-error A key is made of the call's own arguments.
  createBridge({ name, legacy, pooled: noLeg, operations, key: { list: (_: number) => '' } });
  // @ts-expect-error An option that is none.
  createBridge({ name, legacy, pooled: () => list, operations, undeclard: 'legacy' });
  const compared = read.rows({ compareAs: (rows: string[]) => rows });
  // @ts-expect-error What is compared is the answer.
  createBridge({ name, legacy, pooled: noLeg, operations: { list: compared } });
  const ordered = read.rows({ ordered: (limit: number) => limit > 1 });
  // @ts-expect-error The order is told by the call's own arguments.
  createBridge({ name, legacy, pooled: noLeg, operations: { list: ordered } });
  // @ts-expect-error A parameter that is not named is unknown, never `any`.
  read.rows({ compareAs: (rows) => [...rows] }); // eslint-disable-line @typescript-eslint/no-unsafe-return
  const rehearsed = {
    add: write({ rehearse: (pooled: PooledNotes) => pooled.rehearseAdd('') }),
  };
  // @ts-expect-error The pooled leg has no such rehearsal.
  createBridge({ name, legacy, pooled: () => ({ add: async () => 1 }), operations: rehearsed });
  const observed = write({ observe: (leg: PooledNotes) => leg.rehearseAdd('') });
  // @ts-expect-error What is observed must be there on the legacy leg too.
  createBridge({ name, legacy, pooled: noLeg, operations: { add: observed } });
  const otherArguments = write({ rehearse: async (_leg: PooledNotes, _notebook: number) => 1 });
  // @ts-expect-error A rehearsal gets the call's own arguments.
  createBridge({ name, legacy, pooled: noLeg, operations: { add: otherArguments } });
  // @ts-expect-error A rehearsal answers a promise.
  write({ rehearse: (pooled: PooledNotes) => typeof pooled });
}

test('the types above are checked by the compiler', () => {
  expect(typeof accepted).toBe('function');
  expect(typeof refused).toBe('function');
});
