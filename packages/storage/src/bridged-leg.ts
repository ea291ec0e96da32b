import { withAbilities } from '@changeover/bridge';
import type { Leg } from '@changeover/core';
import {
  type StorageBackend,
  storageOperations,
  type StorageTransaction,
  watchedInside,
} from '@changeover/engines';
import { appendingStatement } from '@changeover/engines/api';
import type { StatementClassifiers } from './statement-classifiers.ts';

/** Told of each statement in a transaction, and of what appends to a table, when it is made. */
type SawInside = (dataset: unknown, operation: string, sql: unknown) => void;

/** What a call has to wait for before it is made: undefined where nothing. Must not reject. */
type Ready = (dataset: unknown, sql: unknown) => Promise<unknown> | undefined;

type Told = Pick<StatementClassifiers, 'hasRun'>;

/** What a leg's calls tell, and wait for. */
interface Watch {
  readonly told: Told;
  readonly sawInside: SawInside;
  readonly ready: Ready;
}

/**
 * A leg as createBridge takes it. The classifiers are told of its writes once they have run, for what they know of a dataset may
 * then be otherwise.
 */
export function bridgedLeg(
  leg: Leg<StorageBackend>,
  told: Told,
  sawInside: SawInside,
  ready: Ready = () => undefined,
): StorageBackend {
  const { api } = leg;
  const watch = { told, sawInside, ready };
  const watched: Partial<StorageBackend> = {
    ...watchedCalls(api, watch),
    ...watchedScopes(api, watch),
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
    ...(leg.answerInSnapshot === undefined
      ? {}
      : { answerInSnapshot: leg.answerInSnapshot.bind(leg) }),
    ...(leg.keepsOrder === undefined ? {} : { keepsOrder: leg.keepsOrder.bind(leg) }),
  });
}

/** The calls of one statement, or of a table or dataset as a whole. */
function watchedCalls(
  api: StorageBackend,
  { told, sawInside, ready }: Watch,
): Partial<StorageBackend> {
  const then = async <T>(dataset: unknown, run: () => Promise<T>, sql?: unknown): Promise<T> => {
    try {
      return await run();
    } finally {
      // A failed one too: it may have been applied all the same.
      tell(told, dataset, [sql]);
    }
  };
  return {
    query: (...args) => after(ready(args[0], args[1]), () => api.query(...args)),
    execute: (...args) =>
      then(args[0], () => after(ready(args[0], args[1]), () => api.execute(...args)), args[1]),
    writeTable: (...args) => {
      const appends = appendingStatement(args[1], args[3]);
      if (appends === undefined) return then(args[0], () => api.writeTable(...args));
      sawInside(args[0], 'writeTable', appends);
      return after(ready(args[0], appends), () => api.writeTable(...args));
    },
    createDataset: (...args) => then(args[0], () => api.createDataset(...args)),
    dropDataset: (...args) => then(args[0], () => api.dropDataset(...args)),
  };
}

/** The calls that take a function of the caller's, in which statements are made. */
function watchedScopes(
  api: StorageBackend,
  { told, sawInside, ready }: Watch,
): Partial<StorageBackend> {
  return {
    transaction: (dataset, work, ...rest) => {
      if (typeof work !== 'function') return api.transaction(dataset, work, ...rest);
      const ran: unknown[] = [];
      return after(ready(dataset, undefined), () =>
        api.transaction(
          dataset,
          (inside) => work(noting(inside, ran, (...call) => sawInside(dataset, ...call))),
          ...rest,
        ),
      ).finally(() => {
        tell(told, dataset, ran);
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
          tell(told, dataset, ran);
        });
    },
  };
}

/** @param ran texts of statements; undefined for one that changed the schema, or may have. */
function tell(told: Told, dataset: unknown, ran: readonly unknown[]): void {
  for (const sql of ran) told.hasRun(dataset, sql === undefined ? 'schema' : { sql });
}

function after<T>(wait: Promise<unknown> | undefined, run: () => Promise<T>): Promise<T> {
  return wait === undefined ? run() : wait.then(run);
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
  return watchedInside(inside, (name, args) => {
    if (name === 'query' || name === 'execute') saw(name, args[0]);
    if (name === 'execute') note(args[0]);
    if (name !== 'writeTable') return;
    const appends = appendingStatement(args[0], args[2]);
    if (appends === undefined) note(undefined);
    else saw(name, appends);
  });
}
