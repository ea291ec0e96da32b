import { NotComparableError, type OperationDefinition, type Undetermined } from '@changeover/core';
import { refuseUnknown } from '../bridge-settings.ts';
import {
  givenText,
  InvalidKeyError,
  type Member,
  type Method,
  observationOf,
  onlyKey,
  rehearsalOf,
  WiringError,
} from './members.ts';
import type { ReadOperation, StatementKind, StatementOperation } from './operations.ts';

/** The longest key, in characters: it is kept with every count. */
const maxKeyLength = 200;

/** The key of a call by its arguments. */
export type KeyOf = (...args: readonly unknown[]) => string;

/** The key of each operation's calls: one for all, by what surrounds the call, or by its arguments.
 *
 * @throws {InvalidOptionError} for a key of an operation that is not declared; {WiringError} for what can't give a key. */
export function keysOf(key: unknown, members: readonly Member[]): (operation: string) => KeyOf {
  if (key === undefined) return () => () => onlyKey;
  const checked =
    (operation: string, of: Method): KeyOf =>
    (...args) =>
      checkedKey(operation, of(...args));
  if (typeof key === 'function') return (operation) => checked(operation, key as Method);
  if (typeof key !== 'object' || key === null)
    throw new WiringError(
      `The option key is ${givenText(key)}: write key: () => the key of all calls, or ` +
        'key: { list: (notebook) => notebook } by operation.',
    );
  const byOperation = key as Readonly<Record<string, Method | undefined>>;
  const names = members.map(({ operation }) => operation);
  refuseUnknown(byOperation, names);
  for (const [operation, of] of Object.entries(byOperation)) checkKeyOf(operation, of, members);
  return (operation) => {
    const own = byOperation[operation];
    return own === undefined ? () => onlyKey : checked(operation, own);
  };
}

/** @throws {WiringError} for what gives no key, and of a call that has none. */
function checkKeyOf(operation: string, of: unknown, members: readonly Member[]): void {
  if (of === undefined) return;
  if (typeof of !== 'function')
    throw new WiringError(
      `The key of ${operation} is ${givenText(of)}: write ${operation}: (…) => the key, by the call's arguments.`,
    );
  if (members.some((member) => member.operation === operation && member.spec.kind === 'control'))
    throw new WiringError(
      `${operation} is control(), which is about the whole object and has no key: leave ${operation} out of key.`,
    );
}

/**
 * The key that a program's function gave, or `all` where it gave none.
 *
 * @param of what it is the key of, for the message.
 * @throws {InvalidKeyError} for what is no text of 1 to 200 characters.
 */
export function checkedKey(of: string, found: unknown): string {
  if (found === undefined) return onlyKey;
  if (typeof found === 'string' && found !== '' && found.length <= maxKeyLength) return found;
  throw new InvalidKeyError(
    `The key of ${of} is ${typeof found === 'string' ? `a text of ${String(found.length)} characters` : `of type ${typeof found}`}: ` +
      `it must be a text of 1 to ${String(maxKeyLength)}. Keys are names of tenants or datasets, never data.`,
  );
}

/** What the router must know of each member. */
export function definitionsOf(
  members: readonly Member[],
  keyOf: (operation: string) => KeyOf,
): Record<string, OperationDefinition> {
  return Object.fromEntries(
    members.map((member) => [member.operation, definitionOf(member, keyOf(member.operation))]),
  );
}

function definitionOf(member: Member, key: KeyOf): OperationDefinition {
  const { spec } = member;
  const definition = definitionWithoutShape(member, key);
  if (!('shape' in spec) || spec.shape === undefined || definition.kind === 'statement')
    return definition;
  return { ...definition, shape: spec.shape as Method } as OperationDefinition;
}

function definitionWithoutShape({ operation, spec }: Member, key: KeyOf): OperationDefinition {
  switch (spec.kind) {
    case 'read':
      return { ...readDefinition(spec), key };
    case 'write':
      if (spec.rehearse !== undefined) {
        const observe = spec.observe === undefined ? undefined : observationOf(operation);
        return {
          kind: 'write',
          comparison: 'answer',
          rehearse: rehearsalOf(operation),
          observe,
          exclusive: spec.exclusive,
          key,
        };
      }
      return spec.observe === undefined
        ? { kind: 'write', comparison: 'none', exclusive: spec.exclusive, key }
        : {
            kind: 'write',
            comparison: 'observed',
            read: observationOf(operation),
            exclusive: spec.exclusive,
            key,
          };
    case 'transaction':
      return { kind: 'write', comparison: 'none', exclusive: true, key };
    case 'statement':
      return statementDefinition(spec, key);
    case 'control':
      return { kind: 'control' };
    case 'legacyOnly':
      return { kind: 'legacyOnly', key };
    case 'defined':
      return spec.definition;
  }
}

function readDefinition({
  result,
  ordered,
  functions,
  compareAs,
}: ReadOperation): OperationDefinition & {
  readonly kind: 'read';
} {
  const promise: Method =
    typeof ordered === 'function' ? (ordered as Method) : () => ordered === true;
  return {
    kind: 'read',
    result,
    ordered: (...args: readonly unknown[]) => promise(...args) === true,
    functions,
    compareAs: (compareAs as ((answer: unknown) => unknown) | undefined) ?? onlyPlain,
  };
}

function statementDefinition(
  { classifier, shape: given }: StatementOperation,
  key: KeyOf,
): OperationDefinition {
  const kindOf = (statement: unknown): StatementKind => {
    const sql = textOf(statement);
    return sql === undefined ? { effect: 'unknown' } : classifier.classify(sql);
  };
  const shape =
    (given as ((sql: unknown) => string) | undefined) ??
    ((sql: unknown) => kindOf(sql).shape ?? '');
  return {
    kind: 'statement',
    key,
    reads: (sql: unknown) => kindOf(sql).effect === 'reads',
    read: {
      kind: 'read',
      shape,
      result: 'rows',
      ordered: (sql: unknown) => (kindOf(sql).order ?? 'none') !== 'none',
      undetermined: (sql: unknown): Undetermined | undefined => kindOf(sql).undetermined,
      compareAs: onlyPlain,
    },
    write: { kind: 'write', shape, comparison: 'none' },
  };
}

/** The text of a statement, or of what has one: `{ text, values }` or `{ sql, args }`. */
function textOf(statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement;
  if (typeof statement !== 'object' || statement === null) return undefined;
  try {
    const { text, sql } = statement as { readonly text?: unknown; readonly sql?: unknown };
    const found = text ?? sql;
    return typeof found === 'string' ? found : undefined;
  } catch {
    // A getter of the caller's own: the leg meets it, and says what it always said.
    return undefined;
  }
}

const maxDepth = 100;

/** Passes what is data. An instance of a class can differ in what can't be seen, so it is refused.
 *
 * @throws {NotComparableError} */
export function onlyPlain(answer: unknown): unknown {
  refuseInstances(answer, 0);
  return answer;
}

function refuseInstances(value: unknown, depth: number): void {
  if (typeof value === 'function')
    throw new NotComparableError('the answer holds a function: say what it is compared as');
  if (typeof value !== 'object' || value === null || depth > maxDepth) return;
  if (Array.isArray(value)) {
    for (const item of value) refuseInstances(item, depth + 1);
    return;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || Object.getPrototypeOf(prototype) === null) {
    for (const item of Object.values(value)) refuseInstances(item, depth + 1);
    return;
  }
  if (value instanceof Date || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return;
  if (value instanceof Map || value instanceof Set) {
    for (const item of value.values()) refuseInstances(item, depth + 1);
    return;
  }
  const { constructor } = prototype as { readonly constructor?: { readonly name?: unknown } };
  throw new NotComparableError(
    `the answer holds an instance of ${String(constructor?.name)}, which can differ in what can't be seen: ` +
      'give the operation compareAs: (answer) => … that makes plain data of it',
  );
}
