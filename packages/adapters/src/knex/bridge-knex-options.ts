import { InvalidOptionError } from '@changeover/core';
import type { StatementClassifier } from '@changeover/classify';
import type { Knex } from 'knex';
import {
  type AdapterOptions,
  type BridgePart,
  bridgePartOf,
  type KeyedStatement,
  keyOf,
  shown,
} from '../shared/adapter-options.ts';

/** What a bridge over a Knex instance is told, beside the instance. */
export interface BridgeKnexOptions extends AdapterOptions {
  /** Makes the instance that takes the place of the first one, on the same database and of the same client; called once, when a
   * statement is first run, and destroyed with the bridged instance. Default: one with the first one's configuration, and a pool
   * of `max`. */
  readonly pooled?: (() => Knex) | undefined;
  /** Connections of the pooled leg where `pooled` is left out, 1 at least. Default: 10; on SQLite as configured, which is 1. */
  readonly max?: number | undefined;
  /** True: no other write of a key comes between the statements of its transaction in this process, as on one connection. False:
   * transactions run beside each other. At `legacy` it is the instance's own pool that decides. Default: true where that has one
   * connection, as SQLite's has; what ran beside each other before does so at every stage. */
  readonly exclusiveTransactions?: boolean | undefined;
  /** Tells what a statement does; closed with the instance. Default: that of the client's engine, PostgreSQL or SQLite. */
  readonly classifier?: StatementClassifier | undefined;
}

/** The options with their defaults. */
export interface ParsedOptions {
  readonly bridge: BridgePart;
  readonly key: ((statement: KeyedStatement) => string) | undefined;
  readonly pure: readonly string[];
  readonly pooled: (() => Knex) | undefined;
  readonly max: number | undefined;
  readonly exclusiveTransactions: boolean | undefined;
  readonly classifier: StatementClassifier | undefined;
}

/**
 * Applies the defaults.
 *
 * @throws {InvalidOptionError} for an option that there is not or that is out of bounds.
 */
export function parseOptions(options: BridgeKnexOptions): ParsedOptions {
  const bridge = bridgePartOf(options, ['pooled', 'max', 'exclusiveTransactions', 'classifier']);
  const { pooled, max, pure = [], classifier } = options;
  if (pooled !== undefined && typeof pooled !== 'function')
    throw new InvalidOptionError(
      `Option pooled must be a function that makes the other instance, but is ${shown(pooled)}.`,
    );
  if (pooled !== undefined && max !== undefined)
    throw new InvalidOptionError(
      'Option max is of the pool that the adapter makes: leave it to the instance that pooled makes.',
    );
  if (max !== undefined && !(Number.isSafeInteger(max) && max > 0))
    throw new InvalidOptionError(
      `Option max must be a whole number above 0, but is ${shown(max)}.`,
    );
  return Object.freeze({
    bridge,
    key: keyOf(options),
    pure,
    pooled,
    max,
    exclusiveTransactions: options.exclusiveTransactions,
    classifier,
  });
}
