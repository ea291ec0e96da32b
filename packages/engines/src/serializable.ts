import { describe } from '@changeover/core';
import type { TransactionOptions } from './api/storage-backend.ts';
import { InvalidArgumentError } from './api/storage-errors.ts';
import type { Engine } from './api/engine.ts';
import { classifyError } from './errors.ts';

/** Options of a transaction with their defaults. */
export interface ParsedTransactionOptions {
  readonly serializable: boolean;
  /** How often its work is run at most. */
  readonly attempts: number;
}

const defaultAttempts = 20;
const maxAttempts = 1_000;

/**
 * Checks a caller's options.
 *
 * @throws {InvalidArgumentError} for another isolation level, and for attempts that are no whole number from 1 to 1,000 or come without it.
 */
export function parseTransactionOptions(
  options: TransactionOptions | undefined,
): ParsedTransactionOptions {
  const isolation: unknown = options?.isolation;
  const attempts: unknown = options?.attempts;
  if (isolation !== undefined && isolation !== 'serializable') {
    throw new InvalidArgumentError(
      `A transaction's isolation is "serializable" or nothing, found ${describe(isolation)}.`,
    );
  }
  if (isolation === undefined) {
    if (attempts === undefined) return { serializable: false, attempts: 1 };
    throw new InvalidArgumentError(
      'A transaction takes attempts only with isolation: "serializable".',
    );
  }
  if (attempts === undefined) return { serializable: true, attempts: defaultAttempts };
  if (
    typeof attempts !== 'number' ||
    !Number.isInteger(attempts) ||
    attempts < 1 ||
    attempts > maxAttempts
  ) {
    throw new InvalidArgumentError(
      `A transaction's attempts are a whole number from 1 to ${maxAttempts}, found ${describe(attempts)}.`,
    );
  }
  return { serializable: true, attempts };
}

/**
 * Runs a transaction as a whole, again where the engine gave it up in favour of another (PostgreSQL: 40001, 40P01), up to `attempts` times.
 *
 * @param pause waited for after each failure but the last; told how many there were. What it throws is the call's error.
 */
export async function inAttempts<Value>(
  engine: Engine,
  attempts: number,
  run: () => Promise<Value>,
  pause: (failures: number) => Promise<void>,
): Promise<Value> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await run();
    } catch (error) {
      if (failures >= attempts || !isConflict(engine, error)) throw error;
      await pause(failures);
    }
  }
}

/** Callers' errors in which one is wrapped are looked into so far. */
const maxDepth = 8;

/** Whether an error, or what caused it, is the engine's word that the transaction may be run again as a whole. */
export function isConflict(engine: Engine, error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < maxDepth; depth += 1) {
    if (typeof cause !== 'object' || cause === null) return false;
    if (classifyError(engine, cause) === 'conflict') return true;
    cause = Reflect.get(cause, 'cause');
  }
  return false;
}

/** What has a transaction be serializable where it is not by itself: to be run first in it. */
export function serializableSql(engine: Engine): string | undefined {
  return engine === 'postgresql' ? 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE' : undefined;
}
