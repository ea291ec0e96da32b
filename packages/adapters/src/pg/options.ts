import { InvalidOptionError } from '@changeover/core';
import type { Pool } from 'pg';
import {
  type AdapterOptions,
  type BridgePart,
  bridgePartOf,
  type KeyedStatement,
  keyOf,
  shown,
} from '../shared/adapter-options.ts';

/** What the key of a statement is told by. */
export interface KeyedPgStatement extends KeyedStatement {
  /** Of a prepared statement. */
  readonly name: string | undefined;
}

/** What a bridge over a handle of node-postgres is told, beside the handle. As for `createBridge` where the names are the same. */
export interface BridgeClientOptions extends AdapterOptions<KeyedPgStatement> {
  /** The pool that takes the handle's place; whoever made it ends it. Called once, when the handle is first used. Default: one of
   * the adapter's own with the handle's connection parameters, ended with the handle. */
  readonly pooled?: (() => Pool) | undefined;
  /** Connections of the adapter's own pool, 1 at least. Default: 10; as many as the handle's where that is a pool. */
  readonly max?: number | undefined;
  /** After how long without use a connection of the adapter's own pool is closed, in ms. Default: 10,000, or the
   * handle's where that is a pool. */
  readonly idleTimeoutMs?: number | undefined;
  /** How long a connection of the adapter's own pool may take to be had, in ms. Default: 10,000, or the handle's
   * where that is a pool. */
  readonly connectTimeoutMs?: number | undefined;
  /** True lets writes outside transactions that leave nothing on their connection run on any connection of the pool, beside each
   * other: what `lastval()` then says is nobody's. Default: false, all but plain reads run on one connection, in turn. */
  readonly spreadWrites?: boolean | undefined;
  /** How long a statement waits while another caller's transaction is open on the handle, in ms. Default: 30,000. */
  readonly transactionWaitMs?: number | undefined;
}

/** The options with their defaults. */
export interface ParsedPgOptions {
  readonly bridge: BridgePart;
  readonly key: ((statement: KeyedPgStatement) => string) | undefined;
  readonly max: number;
  readonly idleTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly transactionWaitMs: number;
  readonly spreadWrites: boolean;
  readonly pure: readonly string[];
}

const ownNames: readonly string[] = [
  ...['pooled', 'max', 'idleTimeoutMs', 'connectTimeoutMs', 'spreadWrites', 'transactionWaitMs'],
];

/**
 * Applies the defaults.
 *
 * @throws {InvalidOptionError} for an option that there is not or that is out of bounds.
 */
export function parseOptions(options: BridgeClientOptions): ParsedPgOptions {
  const bridge = bridgePartOf(options, ownNames);
  if (options.pooled !== undefined && typeof options.pooled !== 'function')
    throw new InvalidOptionError(
      `Option pooled must be a function that gives a pg.Pool, but is ${shown(options.pooled)}.`,
    );
  const own = options.pooled === undefined;
  for (const name of ['max', 'idleTimeoutMs', 'connectTimeoutMs'] as const)
    if (!own && options[name] !== undefined)
      throw new InvalidOptionError(
        `Option ${name} is of the adapter's own pool: leave it to the pool that is handed in.`,
      );
  return Object.freeze({
    bridge,
    key: keyOf(options),
    max: positive('max', options.max ?? 10),
    idleTimeoutMs: positive('idleTimeoutMs', options.idleTimeoutMs ?? 10_000),
    connectTimeoutMs: positive('connectTimeoutMs', options.connectTimeoutMs ?? 10_000),
    transactionWaitMs: positive('transactionWaitMs', options.transactionWaitMs ?? 30_000),
    spreadWrites: options.spreadWrites ?? false,
    pure: options.pure ?? [],
  });
}

/**
 * The pool that was handed in, if one was.
 *
 * @throws {InvalidOptionError} for what is none.
 */
export function givenPool({ pooled }: BridgeClientOptions): Pool | undefined {
  if (pooled === undefined) return undefined;
  const pool: unknown = pooled();
  const { connect, on } = (pool ?? {}) as { readonly connect?: unknown; readonly on?: unknown };
  if (typeof connect === 'function' && typeof on === 'function') return pool as Pool;
  throw new InvalidOptionError(
    `Option pooled must give a pg.Pool at once, but gave ${shown(pool)}.`,
  );
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new InvalidOptionError(
    `Option ${name} must be a whole number above 0, but is ${shown(value)}.`,
  );
}
