import { InvalidOptionError } from '@changeover/core';
import type { DuckDBConnection } from '@duckdb/node-api';
import {
  type AdapterOptions,
  type BridgePart,
  bridgePartOf,
  type KeyedStatement,
  keyOf,
  shown,
} from '../shared/adapter-options.ts';

/** What a bridge over a connection of DuckDB is told, beside the connection. As for `createBridge` where the names are the same. */
export interface BridgeConnectionOptions extends AdapterOptions {
  /** Opens one more connection to the instance of the handle: `() => instance.connect()`. A connection doesn't tell its instance, and
   * a second instance on one file would not see the first one's changes. Those that it opened are closed with the handle. */
  readonly pooled: () => Promise<DuckDBConnection>;
  /** Connections that plain reads and comparisons share at most, 1 at least. Each key that does more has one of its own beside
   * them. Default: 10. */
  readonly max?: number | undefined;
  /** How long a statement waits while another caller's transaction is open on the handle, in ms. Default: 30,000. */
  readonly transactionWaitMs?: number | undefined;
}

/** The options with their defaults. */
export interface ParsedOptions {
  readonly bridge: BridgePart;
  readonly key: ((statement: KeyedStatement) => string) | undefined;
  readonly pooled: () => Promise<DuckDBConnection>;
  readonly max: number;
  readonly transactionWaitMs: number;
  readonly pure: readonly string[];
}

/**
 * Applies the defaults.
 *
 * @throws {InvalidOptionError} for an option that there is not or that is out of bounds.
 */
export function parseOptions(options: BridgeConnectionOptions): ParsedOptions {
  const bridge = bridgePartOf(options, ['pooled', 'max', 'transactionWaitMs']);
  if (typeof options.pooled !== 'function')
    throw new InvalidOptionError(
      'Option pooled must be a function that opens a connection to the instance of the handle: pooled: () => instance.connect().',
    );
  return Object.freeze({
    bridge,
    key: keyOf(options),
    pooled: options.pooled,
    max: positive('max', options.max ?? 10),
    transactionWaitMs: positive('transactionWaitMs', options.transactionWaitMs ?? 30_000),
    pure: options.pure ?? [],
  });
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new InvalidOptionError(
    `Option ${name} must be a whole number above 0, but is ${shown(value)}.`,
  );
}
