import { withAbilities } from '@changeover/bridge';
import type { Leg } from '@changeover/core';
import {
  type StorageBackend,
  storageOperations,
  type StorageTransaction,
} from '@changeover/engines';
import type { StatementClassifiers } from './statement-classifiers.ts';

/** Told of each statement in a transaction, when it is made. */
type SawInside = (dataset: unknown, operation: string, sql: unknown) => void;

type Told = Pick<StatementClassifiers, 'hasRun'>;

/**
 * A leg as createBridge takes it. The classifiers are told of its writes once they have run, for what they know of a dataset may
 * then be otherwise.
 */
export function bridgedLeg(
  leg: Leg<StorageBackend>,
  told: Told,
  sawInside: SawInside,
): StorageBackend {
  const { api } = leg;
  const then = async <T>(dataset: unknown, run: () => Promise<T>, sql?: unknown): Promise<T> => {
    try {
      return await run();
    } finally {
      // A failed one too: it may have been applied all the same.
      told.hasRun(dataset, sql === undefined ? 'schema' : { sql });
    }
  };
  const hasRun = (dataset: unknown, ran: readonly unknown[]): void => {
    for (const sql of ran) told.hasRun(dataset, sql === undefined ? 'schema' : { sql });
  };
  const watched: Partial<StorageBackend> = {
    execute: (...args) => then(args[0], () => api.execute(...args), args[1]),
    writeTable: (...args) =>
      args[3]?.ifExists === 'append'
        ? api.writeTable(...args)
        : then(args[0], () => api.writeTable(...args)),
    createDataset: (...args) => then(args[0], () => api.createDataset(...args)),
    dropDataset: (...args) => then(args[0], () => api.dropDataset(...args)),
    transaction: (dataset, work, ...rest) => {
      if (typeof work !== 'function') return api.transaction(dataset, work, ...rest);
      const ran: unknown[] = [];
      return api
        .transaction(
          dataset,
          (inside) => work(noting(inside, ran, (...call) => sawInside(dataset, ...call))),
          ...rest,
        )
        .finally(() => {
          hasRun(dataset, ran);
        });
    },
    session: (dataset, work, ...rest) => {
      if (typeof work !== 'function') return api.session(dataset, work, ...rest);
      const ran: unknown[] = [];
      // What its statements leave goes with it: nothing of that is relied on.
      const saw = (): void => undefined;
      return api
        .session(dataset, (inside) => work(noting(inside, ran, saw)), ...rest)
        .finally(() => {
          hasRun(dataset, ran);
        });
    },
  };
  // Plain objects made once: a proxy would be asked at every call.
  const methods = Object.keys(storageOperations).map((name) => {
    const method = Reflect.get(api, name) as () => unknown;
    return [name, Reflect.get(watched, name) ?? method.bind(api)] as const;
  });
  return withAbilities(Object.fromEntries(methods) as unknown as StorageBackend, {
    shadow: leg.shadow,
    ...(leg.closedWhile === undefined ? {} : { closedWhile: leg.closedWhile.bind(leg) }),
    ...(leg.endable === undefined ? {} : { endable: leg.endable.bind(leg) }),
    ...(leg.keepsOrder === undefined ? {} : { keepsOrder: leg.keepsOrder.bind(leg) }),
  });
}

/** Statements that are kept of one transaction; of more, it is enough to know that there were some. */
const maxNoted = 100;

/** A transaction that notes what is run in it: a statement's text, or undefined for a table that is written anew. */
function noting<Inside extends StorageTransaction>(
  inside: Inside,
  ran: unknown[],
  saw: (operation: string, sql: unknown) => void,
): Inside {
  const note = (sql: unknown): void => {
    if (ran.length < maxNoted) ran.push(sql);
    else ran[0] = undefined;
  };
  // Over nothing: a leg may give a frozen object, whose properties a proxy of it must give unchanged.
  return new Proxy({} as Inside, {
    has: (_nothing, name) => Reflect.has(inside, name),
    get: (_nothing, name) => {
      const value: unknown = Reflect.get(inside, name);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (name === 'query' || name === 'execute') saw(name, args[0]);
        if (name === 'execute') note(args[0]);
        if (name === 'writeTable') note(undefined);
        const [work] = args;
        if (name !== 'transaction' || typeof work !== 'function')
          return Reflect.apply(value, inside, args);
        const noted = (within: StorageTransaction): unknown =>
          Reflect.apply(work, undefined, [noting(within, ran, saw)]);
        return Reflect.apply(value, inside, [noted]);
      };
    },
  });
}
