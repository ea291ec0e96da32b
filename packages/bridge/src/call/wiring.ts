import {
  ChangeoverError,
  NotComparableError,
  type OperationDefinition,
  type Undetermined,
} from '@changeover/core';
import { isAsyncFunction, isPromise, type Method } from './invoke.ts';
import { callWithCallback } from './callbacks.ts';
import { methodNames } from './method-names.ts';
import type {
  OperationSpec,
  ReadOperation,
  StatementKind,
  StatementOperation,
} from './operations.ts';

/** A bridge that can't be made, or a leg that can't be bridged: the message says what to type. */
export class WiringError extends ChangeoverError {
  override readonly name = 'WiringError';
  constructor(message: string, cause?: unknown) {
    super('WIRING', message, { cause });
  }
}

/** A key that is no text, or too long. */
export class InvalidKeyError extends ChangeoverError {
  override readonly name = 'InvalidKeyError';
  constructor(message: string) {
    super('INVALID_KEY', message);
  }
}

/** A member that the bridge knows, by its way from the object: `['nodes', 'upsert']`. */
export interface Member {
  /** As flags, counts and reports call it: `nodes.upsert`. */
  readonly operation: string;
  readonly path: readonly string[];
  readonly spec: Exclude<OperationSpec, { readonly kind: 'sub' }>;
}

/** What the legs' functions are asked for by the names that nobody calls: a write's rehearsal and what it left. */
const rehearsalOf = (operation: string): string => `${operation} (rehearsed)`;
const observationOf = (operation: string): string => `${operation} (observed)`;

/** The longest key, in characters: it is kept with every count. */
export const maxKeyLength = 200;

/** The name of the key where a bridge has one for all calls. */
export const onlyKey = 'all';

/** Every member that was declared, those of objects inside with their way to it. */
export function membersOf(
  operations: Readonly<Record<string, OperationSpec>>,
  path: readonly string[] = [],
): Member[] {
  return Object.entries(operations).flatMap(([name, spec]): Member[] => {
    const own = [...path, name];
    return spec.kind === 'sub'
      ? membersOf(spec.operations, own)
      : [{ operation: own.join('.'), path: own, spec }];
  });
}

/** The object that a member is a method of. */
export function ownerOf(object: object, { path }: Pick<Member, 'path'>): object | undefined {
  let owner: unknown = object;
  // Asked at calls: no copy of the path is made.
  for (let at = 0; at < path.length - 1; at += 1)
    owner = (owner as Record<string, unknown> | null)?.[path[at] ?? ''];
  return (typeof owner === 'object' && owner !== null) || typeof owner === 'function'
    ? owner
    : undefined;
}

/** A member of an object, whatever it is. */
function memberOf(object: object, member: Pick<Member, 'path'>): unknown {
  const { path } = member;
  const owner = path.length === 1 ? object : ownerOf(object, member);
  return (owner as Record<string, unknown> | undefined)?.[path[path.length - 1] ?? ''];
}

/** A member's function on an object; undefined where there is none. */
export function methodOf(object: object, member: Pick<Member, 'path'>): Method | undefined {
  const method = memberOf(object, member);
  return typeof method === 'function' ? (method as Method) : undefined;
}

/** The key of a call by its arguments. */
export type KeyOf = (...args: readonly unknown[]) => string;

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

/** A leg's object, which may be promised. */
export class LegObject<T extends object = object> {
  /** Undefined until it is there. */
  here: T | undefined;
  /** Settles when it is there, or can't be had. */
  readonly made: Promise<void>;

  constructor(object: T | PromiseLike<T>) {
    if (!isPromise(object)) {
      this.here = object as T;
      this.made = Promise.resolve();
      return;
    }
    this.made = Promise.resolve(object).then((made) => {
      this.here = made;
    });
    // Whoever waits for it is told.
    this.made.catch(() => undefined);
  }

  /** Runs `use` with the object: at once where it is there. */
  with(use: (object: T) => unknown): unknown {
    const { here } = this;
    return here === undefined ? this.made.then(() => use(this.here as T)) : use(here);
  }
}

/** A leg's members as the router calls them: by operation, with the object itself as `this`. */
export function apiOf(members: readonly Member[], leg: LegObject): Record<string, Method> {
  const api: Record<string, Method> = {};
  for (const member of members) {
    const { operation, spec } = member;
    const call = callOf(member);
    // Nothing may hold on to `args` here: the engine then passes them on without making a list of them.
    api[operation] = (...args) =>
      leg.here === undefined ? callLater(leg, call, ...args) : call(leg.here, ...args);
    if ('callback' in spec && spec.callback === 'last')
      api[operation] = (...args) =>
        leg.with((target) => callWithCallback((given) => call(target, ...given), args));
    if (spec.kind !== 'write') continue;
    const { rehearse, observe } = spec as unknown as Readonly<
      Partial<Record<'rehearse' | 'observe', Method>>
    >;
    if (rehearse !== undefined)
      api[rehearsalOf(operation)] = (...args) =>
        leg.with((target) => rehearse(ownerOf(target, member), ...args));
    if (observe !== undefined)
      api[observationOf(operation)] = (...args) =>
        leg.with((target) => observe(ownerOf(target, member), ...args));
  }
  return api;
}

type CallOn = (target: object, ...args: readonly unknown[]) => unknown;

/** Calls a member of an object as it is then: it may have been assigned or spied on since. */
function callOf(member: Member): CallOn {
  const { operation, path, spec } = member;
  const name = path.at(-1) ?? '';
  const isAwaited = 'async' in spec && spec.async === true;
  const inside = path.length > 1;
  return (target, ...args) => {
    const owner = (inside ? ownerOf(target, member) : target) as
      Record<string, unknown> | undefined;
    const method = owner?.[name];
    if (typeof method !== 'function')
      throw new WiringError(`a leg has no method ${operation} any more.`);
    const answer: unknown = Reflect.apply(method, owner, args);
    // The usual answers first: neither needs its `then` looked up.
    if (answer instanceof Promise || Array.isArray(answer)) return answer;
    return isAwaited && isPromise(answer) ? Promise.resolve(answer) : started(operation, answer);
  };
}

function callLater(leg: LegObject, call: CallOn, ...args: readonly unknown[]): unknown {
  return leg.with((target) => call(target, ...args));
}

/** What a promise of the platform or of a promise library has. */
const promiseMethods = new Set(['then', 'catch', 'finally', 'constructor']);

/**
 * An answer that runs at each `then`, as a query builder does, would run once for the bridge and once for the caller: one write
 * becomes two. It is started here, once; one that can be built on further can't be, and is refused.
 */
function started(operation: string, answer: unknown): unknown {
  if (!isPromise(answer)) return answer;
  const { isFulfilled, isPending } = answer as { isFulfilled?: unknown; isPending?: unknown };
  // Bluebird and its like: begun already, once.
  if (typeof isFulfilled === 'function' && typeof isPending === 'function') return answer;
  const more = methodNames(answer).filter((name) => !promiseMethods.has(name));
  if (more.length > 0)
    throw new WiringError(
      `${operation} answers an object that can be awaited and also has ${more.slice(0, 5).join(', ')}: a query builder, which runs ` +
        'at each await. Bridge it at its statements, by an adapter for its library, or await it inside the method. A read that every ' +
        'caller awaits at once: read({ async: true }).',
    );
  return Promise.resolve(answer);
}

/** How the legs answer an operation, as far as the kinds of their functions show it. */
export type AnswerStyle = 'legacy-alone' | 'both' | 'neither';

/** Tells of an operation how the legs answer it. What it gives is asked at each call: remembered until a leg's function is another. */
export function answerStyles(
  members: readonly Member[],
  legacy: LegObject,
  pooled: LegObject,
): (operation: string) => () => AnswerStyle {
  const known = new Map(
    members.map((member) => {
      let seen: readonly [unknown, unknown] = [undefined, undefined];
      let style: AnswerStyle = 'neither';
      const styleNow = (): AnswerStyle => {
        if (legacy.here === undefined || pooled.here === undefined) return 'neither';
        const one = memberOf(legacy.here, member);
        const other = memberOf(pooled.here, member);
        if (seen[0] !== one || seen[1] !== other) {
          seen = [one, other];
          style = styleOf(member, one, other);
        }
        return style;
      };
      return [member.operation, styleNow] as const;
    }),
  );
  return (operation) => known.get(operation) ?? (() => 'neither');
}

function styleOf({ spec }: Member, legacy: unknown, pooled: unknown): AnswerStyle {
  if ('async' in spec && spec.async === true) return 'neither';
  if ('callback' in spec && spec.callback === 'last') return 'neither';
  if (isAsyncFunction(legacy)) return 'neither';
  return isAsyncFunction(pooled) ? 'legacy-alone' : 'both';
}
