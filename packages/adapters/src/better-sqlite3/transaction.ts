import type { BridgedStatement } from './bridged-statement.ts';

type Work = (...args: readonly unknown[]) => unknown;

/** What a transaction function needs of its database. */
export interface TransactionHost {
  readonly inTransaction: boolean;
  prepare(sql: string): BridgedStatement;
}

const behaviours = {
  default: 'BEGIN',
  deferred: 'BEGIN DEFERRED',
  immediate: 'BEGIN IMMEDIATE',
  exclusive: 'BEGIN EXCLUSIVE',
} as const;
type Behaviour = keyof typeof behaviours;
const names = Object.keys(behaviours) as Behaviour[];

/** The statements that a transaction function runs. */
interface Controls {
  readonly begin: Readonly<Record<Behaviour, BridgedStatement>>;
  readonly commit: BridgedStatement;
  readonly rollback: BridgedStatement;
  readonly savepoint: BridgedStatement;
  readonly release: BridgedStatement;
  readonly rollbackTo: BridgedStatement;
}

const controlsOf = new WeakMap<TransactionHost, Controls>();

/**
 * The driver's `transaction()` in statements of the bridge, so that BEGIN chooses the leg and all that follows stays on it. A
 * transaction inside another is a savepoint.
 */
export function transactionOf(host: TransactionHost, work: unknown): Work {
  if (typeof work !== 'function') throw new TypeError('Expected first argument to be a function');
  const controls = controlsOf.get(host) ?? prepareControls(host);
  const variants = names.map(
    (name) => [name, wrapped(host, work as Work, controls, controls.begin[name])] as const,
  );
  const properties: PropertyDescriptorMap = {
    ...Object.fromEntries(variants.map(([name, value]) => [name, { value }])),
    database: { value: host, enumerable: true },
  };
  for (const [, variant] of variants) Object.defineProperties(variant, properties);
  return Object.fromEntries(variants)['default'] as Work;
}

function prepareControls(host: TransactionHost): Controls {
  const [begin, deferred, immediate, exclusive] = names.map((name) =>
    host.prepare(behaviours[name]),
  ) as [BridgedStatement, BridgedStatement, BridgedStatement, BridgedStatement];
  const controls: Controls = {
    begin: { default: begin, deferred, immediate, exclusive },
    commit: host.prepare('COMMIT'),
    rollback: host.prepare('ROLLBACK'),
    savepoint: host.prepare('SAVEPOINT `\t_bs3.\t`'),
    release: host.prepare('RELEASE `\t_bs3.\t`'),
    rollbackTo: host.prepare('ROLLBACK TO `\t_bs3.\t`'),
  };
  controlsOf.set(host, controls);
  return controls;
}

function wrapped(
  host: TransactionHost,
  work: Work,
  { commit, rollback, savepoint, release, rollbackTo }: Controls,
  begin: BridgedStatement,
): Work {
  return function sqliteTransaction(this: unknown, ...args) {
    const nested = host.inTransaction;
    const [before, after, undo] = nested
      ? [savepoint, release, rollbackTo]
      : [begin, commit, rollback];
    before.run();
    try {
      const result = Reflect.apply(work, this, args);
      if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function')
        throw new TypeError('Transaction function cannot return a promise');
      after.run();
      return result;
    } catch (error) {
      // A full disk, ON CONFLICT ROLLBACK and the like have ended it already.
      if (host.inTransaction) {
        undo.run();
        if (nested) after.run();
      }
      throw error;
    }
  };
}
