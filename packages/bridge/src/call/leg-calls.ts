import type { Leg } from '@changeover/core';
import { callWithCallback } from './callbacks.ts';
import {
  type ListCall,
  type Member,
  type Method,
  observationOf,
  ownerOf,
  rehearsalOf,
  WiringError,
} from './members.ts';
import { methodNames } from './method-names.ts';

/** Methods that make such calls. */
export function methodsOf(calls: Readonly<Record<string, ListCall>>): Record<string, Method> {
  const methods: Record<string, Method> = {};
  for (const [name, call] of Object.entries(calls)) methods[name] = (...args) => call(args);
  return methods;
}

/** An operation's calls on a leg, as {@link invoke} makes them. */
export function callsOn(leg: Leg<object>, operation: string): ListCall {
  return leg.calls?.[operation] ?? ((args) => invoke(leg, operation, args));
}

/** Makes a call on a leg. Returns and throws what the leg's method does. */
export function invoke(leg: Leg<object>, operation: string, args: readonly unknown[]): unknown {
  const method = (leg.api as Record<string, Method | undefined>)[operation];
  // Never `undefined` in place of an answer: a write would be gone without a word.
  if (method === undefined)
    throw new TypeError(`the ${leg.name} leg has no operation ${operation}`);
  return Reflect.apply(method, leg.api, args);
}

/**
 * Calls a function with a list of arguments. As many as most calls have are written out: an engine compiles these into the caller,
 * and can't do so where a list is taken apart, which then costs more than what such functions do.
 */
export function callWith(call: Method, args: readonly unknown[]): unknown {
  switch (args.length) {
    case 1:
      return call(args[0]);
    case 2:
      return call(args[0], args[1]);
    case 3:
      return call(args[0], args[1], args[2]);
    case 4:
      return call(args[0], args[1], args[2], args[3]);
    case 5:
      return call(args[0], args[1], args[2], args[3], args[4]);
    default:
      return call(...args);
  }
}

/** True for what a caller can wait for. */
export function isPromise(value: unknown): value is Promise<unknown> {
  // Most answers are rows: a `then` is not looked for on them, at each call.
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  try {
    return typeof (value as { then?: unknown }).then === 'function';
  } catch {
    // A proxy that throws for what it does not have: nobody can wait for that.
    return false;
  }
}

const AsyncFunction = (async () => undefined).constructor;

/** True for a function that can't but answer a promise. False says nothing. */
function isAsyncFunction(value: unknown): boolean {
  return value instanceof AsyncFunction;
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
export function callsOf(members: readonly Member[], leg: LegObject): Record<string, ListCall> {
  const calls: Record<string, ListCall> = {};
  for (const member of members) {
    const { operation, spec } = member;
    const call = callOf(member);
    const later: ListCall = (args) => leg.with((target) => call(target, args));
    calls[operation] = (args) => (leg.here === undefined ? later(args) : call(leg.here, args));
    if ('callback' in spec && spec.callback === 'last')
      calls[operation] = (args) =>
        leg.with((target) => callWithCallback((given) => call(target, given), args));
    if (spec.kind !== 'write') continue;
    const { rehearse, observe } = spec as unknown as Readonly<
      Partial<Record<'rehearse' | 'observe', Method>>
    >;
    if (rehearse !== undefined)
      calls[rehearsalOf(operation)] = (args) =>
        leg.with((target) => rehearse(ownerOf(target, member), ...args));
    if (observe !== undefined)
      calls[observationOf(operation)] = (args) =>
        leg.with((target) => observe(ownerOf(target, member), ...args));
  }
  return calls;
}

/** Calls a member of an object as it is then: it may have been assigned or spied on since. */
function callOf(member: Member): (target: object, args: readonly unknown[]) => unknown {
  const { operation, path, spec } = member;
  const name = path.at(-1) ?? '';
  const isAwaited = 'async' in spec && spec.async === true;
  const inside = path.length > 1;
  return (target, args) => {
    const owner = (inside ? ownerOf(target, member) : target) as
      Record<string, unknown> | undefined;
    const method = owner?.[name];
    if (typeof method !== 'function')
      throw new WiringError(`a leg has no method ${operation} any more.`);
    const answer: unknown = Reflect.apply(method, owner, args);
    // The usual answers first: neither needs its `then` looked up.
    if (answer instanceof Promise || Array.isArray(answer) || spec.kind === 'legacyOnly')
      return answer;
    return isAwaited && isPromise(answer) ? Promise.resolve(answer) : started(operation, answer);
  };
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

/** Which legs may answer an operation at once, as far as the kinds of their functions show it. Asked at calls: a function may be another
 * by then. */
export interface AtOnceLegs {
  /** The legacy leg may. */
  readonly legacy: () => boolean;
  /** It may, and the pooled leg's function can't but answer a promise. */
  readonly legacyAlone: () => boolean;
}

const noneAtOnce: AtOnceLegs = { legacy: () => false, legacyAlone: () => false };

/** Tells of an operation which legs may answer it at once. */
export function answerStyles(
  members: readonly Member[],
  legacy: LegObject,
  pooled: LegObject,
): (operation: string) => AtOnceLegs {
  const known = new Map(
    members.map((member) => [member.operation, atOnceLegs(member, legacy, pooled)]),
  );
  return (operation) => known.get(operation) ?? noneAtOnce;
}

function atOnceLegs(member: Member, legacy: LegObject, pooled: LegObject): AtOnceLegs {
  const { spec } = member;
  if ('async' in spec && spec.async === true) return noneAtOnce;
  if ('callback' in spec && spec.callback === 'last') return noneAtOnce;
  const isAsync = { legacy: asyncWatch(member, legacy), pooled: asyncWatch(member, pooled) };
  const legacyMay = (): boolean =>
    legacy.here !== undefined && pooled.here !== undefined && !isAsync.legacy();
  // In this order: of most it is known by one look, at the pooled leg, that they are not held back.
  return { legacy: legacyMay, legacyAlone: () => isAsync.pooled() && legacyMay() };
}

/** Whether a leg's function is an async one, which is remembered until it is another. */
function asyncWatch(member: Member, leg: LegObject): () => boolean {
  const { path } = member;
  const name = path.at(-1) ?? '';
  const isInside = path.length > 1;
  const memberOf = (object: object): unknown => {
    try {
      const owner = isInside ? ownerOf(object, member) : object;
      return (owner as Record<string, unknown> | undefined)?.[name];
    } catch {
      // Whoever calls it is told by the call; a call on the other leg must not fail by it.
      return undefined;
    }
  };
  let seen: unknown;
  let isAsync = false;
  return () => {
    const now = leg.here === undefined ? undefined : memberOf(leg.here);
    if (now !== seen) {
      seen = now;
      isAsync = isAsyncFunction(now);
    }
    return isAsync;
  };
}
