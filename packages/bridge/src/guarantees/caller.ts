import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { loadInstalled } from '@changeover/core';
import { isPromise } from '../call/leg-calls.ts';
import type { Admission } from './admission.ts';
import type { CallerLanes } from './lane.ts';

/**
 * Whoever issues calls one after another and expects their effects in that order: the process, or what runs for one
 * request, message, socket or timer. Compared by identity; lives as long as its asynchronous context does.
 */
export class Caller {
  /** What began it, for people: `process`, `http.server.request`, `http2.server.stream`, `caller`. */
  readonly origin: string;
  /** Its unfinished calls by key. Kept here and not at the keys, so that they are gone when the caller is. */
  lanes: CallerLanes | undefined = undefined;

  constructor(origin: string) {
    this.origin = origin;
  }
}

/** What the code that runs now is part of. */
export class CallContext {
  readonly caller: Caller;
  /** The innermost transaction that this code was started in. It may have ended since. */
  readonly transaction: Admission | undefined;

  constructor(caller: Caller, transaction: Admission | undefined) {
    this.caller = caller;
    this.transaction = transaction;
  }
}

/** The caller of all code that no boundary stands above, so that a program without boundaries keeps the singleton's order. */
export const processRoot: Caller = new Caller('process');

const rootContext = new CallContext(processRoot, undefined);

// One storage for caller and transaction: a look-up costs 5 to 12 ns, and each call makes one.
const storage = new AsyncLocalStorage<CallContext>();

/**
 * The caller and transaction that the running code belongs to.
 *
 * Costs 5 to 12 ns on Node 24. On Node 22 each `await` of the whole process takes about 90 ns longer from the moment that
 * a context is first entered, because contexts are kept there by promise hooks.
 */
export function currentContext(): CallContext {
  return storage.getStore() ?? rootContext;
}

/** The caller that the running code belongs to; {@link processRoot} where no boundary stands above. */
export function currentCaller(): Caller {
  return currentContext().caller;
}

/**
 * Runs `work` as a caller of its own: neither ordered with what its surroundings issue nor part of their transaction. For
 * each message of a queue, event of a socket, or tick of a timer that has nothing to do with the one before.
 *
 * @returns what `work` returns, in the same tick; what it throws is thrown.
 */
export function caller<T>(work: () => T): T {
  return storage.run(new CallContext(new Caller('caller'), undefined), work);
}

/** Whether the running code is inside a transaction that has not ended. */
export function isInTransaction(): boolean {
  let transaction = currentContext().transaction;
  while (transaction !== undefined && transaction.state !== 'in flight')
    transaction = transaction.parent;
  return transaction !== undefined;
}

/** Runs `work` so that its calls can join the transaction. Returns what `work` returns; what it throws is thrown. */
export function runInTransaction<T>(transaction: Admission, work: () => T): T {
  return storage.run(new CallContext(transaction.caller, transaction), work);
}

/** Channels on which Node tells, in the asynchronous context of the request, that one begins. */
const boundaries = ['http.server.request', 'http2.server.stream'].map((origin) => ({
  channel: `${origin}.start`,
  begin: (): void => {
    storage.enterWith(new CallContext(new Caller(origin), undefined));
  },
}));

/** How many use the boundaries: subscribed once a process, or each request would begin several callers. */
let users = 0;

/**
 * Makes each HTTP/1 and HTTP/2 request that a server of this process receives from now on a caller of its own. Costs about
 * 0.1 µs a request.
 *
 * @returns ends it, once; others who began it keep it. Connections that are kept open go on as the last request's caller.
 */
export function beginCallersAtRequests(): () => void {
  users += 1;
  if (users === 1)
    for (const { channel, begin } of boundaries) diagnostics.subscribe(channel, begin);
  let ended = false;
  return () => {
    if (ended) return;
    ended = true;
    users -= 1;
    if (users > 0) return;
    for (const { channel, begin } of boundaries) diagnostics.unsubscribe(channel, begin);
  };
}

/** A call that is made for comparison's sake; `ended` as soon as it has its answer, for what it opened lives on in its context. */
interface ComparedCall {
  ended: boolean;
}

const comparedCalls = new AsyncLocalStorage<ComparedCall>();
let isAsked = false;

/** From now on {@link isForComparison} is asked. Until then calls are made without a context of their own, which has its price. */
export function askForComparison(): void {
  isAsked = true;
}

/** Whether the running code is part of a call that no caller made. */
export function isForComparison(): boolean {
  return comparedCalls.getStore()?.ended === false;
}

/** Makes a call for comparison's sake: its answer, in the same tick where the leg answers so. */
export function callForComparison(call: () => unknown): unknown {
  if (!isAsked) return call();
  const made: ComparedCall = { ended: false };
  const end = (): void => {
    made.ended = true;
  };
  try {
    const answer = comparedCalls.run(made, call);
    if (!isPromise(answer)) {
      end();
      return answer;
    }
    return Promise.resolve(answer).finally(end);
  } catch (error) {
    end();
    throw error;
  }
}

/** What of OpenTelemetry's API is used here. */
interface TraceApi {
  readonly trace: {
    getActiveSpan(): { spanContext(): Parameters<TraceApi['isSpanContextValid']>[0] } | undefined;
  };
  isSpanContextValid(context: { readonly traceId: string }): boolean;
}

/** Where OpenTelemetry keeps what a program has set up, whichever copy of its API did so. */
const setUpTracing = Symbol.for('opentelemetry.js.api.1');

let traceApi: TraceApi | 'missing' | undefined;

/**
 * The trace that the caller is in, to be asked in the caller's own context. Undefined where a program has not set up OpenTelemetry, which
 * costs one look at a global, or where no span is active. Never throws.
 */
export function callerTrace(): string | undefined {
  if (!(setUpTracing in globalThis)) return undefined;
  try {
    traceApi ??= loadTraceApi();
    if (traceApi === 'missing') return undefined;
    const context = traceApi.trace.getActiveSpan()?.spanContext();
    return context !== undefined && traceApi.isSpanContextValid(context)
      ? context.traceId
      : undefined;
  } catch {
    return undefined;
  }
}

/** Any copy will do, since all of them find what was set up; a program that has set it up has one below its own folder. */
function loadTraceApi(): TraceApi | 'missing' {
  for (const from of [import.meta.url, undefined]) {
    try {
      return loadInstalled('@opentelemetry/api', from) as TraceApi;
    } catch {
      // The next place is tried.
    }
  }
  return 'missing';
}
