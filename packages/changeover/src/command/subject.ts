import {
  type Engine,
  engines,
  nearestName,
  parseDatasetName,
  storageOperations,
} from '@changeover/core';
import { CommandError, exitCodes } from './command-error.ts';
import type { Migration } from './migration.ts';

/** @throws {CommandError} with what to type instead. */
export function engineNamed(typed: string): Engine {
  const engine = engines.find((name) => name === typed);
  if (engine !== undefined) return engine;
  throw unknown('engine', typed, engines, `The engines are ${engines.join(', ')}.`);
}

/** @throws {CommandError} with what to type instead. */
export function operationNamed(typed: string): string {
  const names = Object.keys(storageOperations);
  if (names.includes(typed)) return typed;
  throw unknown('operation', typed, names, `The operations are ${names.join(', ')}.`);
}

/**
 * A dataset that is known, or that may be unknown.
 *
 * @throws {CommandError} for a name that can't be one, and for one that nobody has seen: at three in the morning a rollback
 * of a mistyped name would look like one that worked.
 */
export function datasetNamed(
  migration: Migration,
  engine: Engine,
  typed: string,
  mayBeUnseen: boolean,
): string {
  let name;
  try {
    name = parseDatasetName(typed);
  } catch (error) {
    throw new CommandError((error as Error).message, exitCodes.usage);
  }
  const names = migration.datasets(engine);
  if (mayBeUnseen || names.includes(name)) return name;
  const seen =
    names.length === 0
      ? `None has been seen on ${engine} yet.`
      : `Seen on ${engine}: ${names.slice(0, 10).join(', ')}${names.length > 10 ? `, and ${String(names.length - 10)} more` : ''}.`;
  throw unknown(
    'dataset',
    typed,
    names,
    `${seen} Add --unseen for one that has not been called yet.`,
  );
}

/** @throws {CommandError} for what is no number of lines. */
export function limitNamed(typed: string): number {
  const limit = Number(typed);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw new CommandError(
    `--limit is ${JSON.stringify(typed.slice(0, 80))}: write a whole number from 1 on.`,
    exitCodes.usage,
  );
}

function unknown(kind: string, typed: string, names: readonly string[], all: string): CommandError {
  const nearest = nearestName(typed, names);
  const meant = nearest === undefined ? '' : ` Did you mean ${JSON.stringify(nearest)}?`;
  return new CommandError(
    `There is no ${kind} ${JSON.stringify(typed.slice(0, 80))}.${meant} ${all}`,
    exitCodes.usage,
  );
}
