import { acceptableGuarantees } from '@changeover/bridge';
import { nearestName, type Target } from '@changeover/core';
import { CommandError, exitCodes } from './command-error.ts';
import { keyProblem, type Migration } from './migration.ts';

/** Whom a command is about. */
export interface Subject {
  readonly backend: string;
  readonly target: Target;
}

/** A backend that has been called or has a flag.
 *
 * @throws {CommandError} with what to type instead. */
export function backendNamed(migration: Migration, typed: string): string {
  const names = migration.backends;
  // Where nothing is known no name can be told from a mistyped one; what needs a store then says that there is none.
  if (names.length === 0 || names.includes(typed)) return typed;
  const of = names.find((backend) => migration.keys(backend).includes(typed));
  const order =
    of === undefined ? '' : ` ${JSON.stringify(typed)} is a key of ${of}: the backend comes first.`;
  throw unknown('backend', typed, names, `Known are ${names.join(', ')}.${order}`);
}

/** @throws {CommandError} with what to type instead. */
export function operationNamed(
  migration: Migration,
  backend: string,
  typed: string,
  mayBeUnseen: boolean,
): string {
  const names = migration.operations(backend);
  if (mayBeUnseen || names.includes(typed)) return typed;
  const seen = names.length === 0 ? 'None has been called yet.' : `Called: ${names.join(', ')}.`;
  throw unknown(
    'operation',
    typed,
    names,
    `${seen} Add --unseen for one that has not been called yet.`,
  );
}

/** What a person may accept for a key: an operation, or `guarantee:session` and its like.
 *
 * @throws {CommandError} with what to type instead. */
export function acceptableNamed(
  migration: Migration,
  backend: string,
  typed: string,
  mayBeUnseen: boolean,
): string {
  return acceptableGuarantees.includes(typed)
    ? typed
    : operationNamed(migration, backend, typed, mayBeUnseen);
}

/**
 * A key that is known, or that may be unknown.
 *
 * @throws {CommandError} for a name that can't be one, and for one that nobody has seen: at three in the morning a rollback
 * of a mistyped name would look like one that worked.
 * @param mayBeUnseen undefined for a command that only shows what was seen.
 */
export function keyNamed(
  migration: Migration,
  backend: string,
  typed: string,
  mayBeUnseen: boolean | undefined,
): string {
  const names = migration.keys(backend);
  const known =
    names.find((name) => name === typed) ??
    names.find((name) => name.toLowerCase() === typed.toLowerCase());
  if (known !== undefined) return known;
  const problem = keyProblem(typed);
  if (problem !== undefined) throw new CommandError(problem, exitCodes.usage);
  if (mayBeUnseen === true) return typed;
  const seen =
    names.length === 0
      ? `None has been seen on ${backend} yet.`
      : `Seen on ${backend}: ${names.slice(0, 10).join(', ')}${names.length > 10 ? `, and ${String(names.length - 10)} more` : ''}.`;
  const unseen =
    mayBeUnseen === undefined ? '' : ' Add --unseen for one that has not been called yet.';
  throw unknown('key', typed, names, `${seen}${unseen}`);
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
