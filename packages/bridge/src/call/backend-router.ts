import type { ComparisonRule } from '@changeover/compare';
import {
  type Clock,
  type Leg,
  type LegName,
  type OperationDefinition,
  type OperationTable,
  systemClock,
} from '@changeover/core';
import type { GuaranteeRegistry, SerialLeg } from '../guarantees/index.ts';
import { Comparer, type ComparerOptions } from '../shadow/comparer.ts';
import type { StageSource } from '../stages/flags/stage-source.ts';
import type { Guardrail } from '../stages/guardrail.ts';
import type { Logger } from '../log.ts';
import { writeIsNotMade } from '../recorder/find-sample.ts';
import type { Recorder } from '../recorder/recorder.ts';
import type { RecentCalls, RepeatableCall } from '../shadow/recent-calls.ts';
import type { Reproduction } from '../recorder/reproduced-call.ts';
import { notReproducible, type ReproduceOptions } from '../shadow/reproduction.ts';
import { Answering, latencyOf } from './answering.ts';
import { type AtOnceLegs, callsOn, callWith, invoke, isPromise, methodsOf } from './leg-calls.ts';
import type { ListCall, Method } from './members.ts';
import { CallResolver } from './call-resolver.ts';
import { CallsInFlight } from '../shadow/process-load.ts';
import { ReadCalls } from './read-calls.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import { defaultBackWithinMs, type PassedWrite, WayBack } from './way-back.ts';
import { WriteCalls } from './write-calls.ts';

/** What a router is made of. It owns none of it: who made a leg, a source or a recorder closes it. */
export interface BackendRouterOptions<Api extends object> {
  /** The name that flags, logs and reports use: the flag is `changeover.{backend}`. */
  readonly backend: string;
  readonly legacy: Leg<Api>;
  readonly pooled: Leg<Api>;
  readonly operations: OperationTable<Api>;
  readonly stages: StageSource;
  readonly recorder: Recorder;
  readonly logger: Logger;
  /** Told of each confirmed mismatch. Usually also the `stages`. */
  readonly guardrail?: Guardrail | undefined;
  readonly clock?: Clock | undefined;
  /** Random numbers in [0, 1) for sampling. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Turns a key's name as callers give it into the one that both legs use. What it throws is the call's error.
   * Default: the name as it is. */
  readonly parseKey?: ((name: unknown) => string) | undefined;
  /** True for an error that means the leg had no connection, so that nothing was run. Default: never. */
  readonly isUnavailable?: ((error: unknown) => boolean) | undefined;
  /** The read that shows all rows of a table, for comparing writes. Default: writes are compared by what they return. */
  readonly tableRead?: ComparerOptions['tableRead'];
  readonly queue?: ComparerOptions['queue'];
  /** How many comparisons each shape of call gets ahead of what all share. */
  readonly quotas?: ComparerOptions['quotas'];
  /** Which legs may answer an operation at once, as far as their functions show it. Default: every operation answers promises on both. */
  readonly mayAnswerAtOnce?: ((operation: string) => AtOnceLegs) | undefined;
  /** Turns a leg's answer into what its caller gets. Default: the answer itself. */
  readonly own?: ((answer: unknown) => unknown) | undefined;
  /** Where the results of reads may rightly differ. Default: nowhere, but for what a flag's payload says. */
  readonly rules?: readonly ComparisonRule[] | undefined;
  /** Makes the gates that keep order and exclusion. Hand the same one to all bridges that a transaction may span. Default: one of
   * its own. */
  readonly guarantees?: GuaranteeRegistry | undefined;
  /** The legacy leg, if it is one queue for all keys: a wait for what is queued there behind a transaction is then known for
   * what it is. Default: it is not. */
  readonly serial?: { readonly legacy?: SerialLeg } | undefined;
  /** How long a move back waits for calls in flight on the pooled leg, in ms. Default: 1,000. */
  readonly backWithinMs?: number | undefined;
  /** Whether samples hold values. Default: redacted. */
  readonly sampleValues?: ComparerOptions['sampleValues'];
  /** Told of each write that others passed because it hadn't ended by then. */
  readonly onPassed?: ((passed: PassedWrite) => void) | undefined;
}

/**
 * Sends each call of an API to the legacy leg, to the pooled leg, or to both, by the stage of its key.
 *
 * `api` has the same methods as the legs. A call keeps the stage that it began with. What the caller pays beyond the
 * answering leg's own time is one look-up, its place at the gate of its key, and a copy of the answer where the call is
 * sampled for comparison.
 *
 * Calls of one caller on one key take effect in the order in which they were issued, awaited or not, and an exclusive
 * operation lets no other write of the key come between, unless the flag's `guarantees` say otherwise. A call that would
 * wait for ever, because of the transaction that it is made in, fails with a `DeadlockError`.
 */
export class BackendRouter<Api extends object> {
  readonly api: Api;
  /** Makes a call of an operation from the list of its arguments, as `api` does. */
  readonly calls: Readonly<Record<string, ListCall>>;
  readonly backend: string;
  readonly #legs: Readonly<Record<LegName, Leg<Api>>>;
  readonly #calls = new CallsInFlight();
  readonly #clock: Clock;
  readonly #comparer: Comparer;
  readonly #resolver: CallResolver;
  readonly #answering: Answering;
  readonly #reads: ReadCalls;
  readonly #writes: WriteCalls;
  readonly #wayBack: WayBack;
  /** What an operation's call is by its arguments. */
  readonly #callOf = new Map<string, (args: readonly unknown[]) => Call>();

  constructor(options: BackendRouterOptions<Api>) {
    this.backend = options.backend;
    this.#legs = { legacy: options.legacy, pooled: options.pooled };
    this.#clock = options.clock ?? systemClock;
    this.#resolver = new CallResolver({
      ...options,
      onChange: (state) => {
        this.#wayBack.changed(state);
      },
    });
    this.#wayBack = new WayBack({
      clock: this.#clock,
      logger: options.logger,
      withinMs: options.backWithinMs ?? defaultBackWithinMs,
      again: (resolved) => this.#resolver.again(resolved),
      onPassed: options.onPassed,
    });
    this.#comparer = new Comparer({
      ...options,
      clock: this.#clock,
      random: options.random ?? Math.random,
      calls: this.#calls,
    });
    this.#answering = new Answering({
      resolver: this.#resolver,
      legs: this.#legs,
      clock: this.#clock,
      calls: this.#calls,
      comparer: this.#comparer,
      logger: options.logger,
      own: options.own,
    });
    this.#reads = new ReadCalls(this.#answering, options.isUnavailable);
    this.#writes = new WriteCalls(this.#answering, this.#wayBack);
    this.calls = Object.fromEntries(
      Object.entries(options.operations).map(([operation, entry], at) => {
        // Two places each, for a statement is a read or a write.
        const call = newCall({
          index: 2 * at,
          operation,
          definition: entry as OperationDefinition,
          mayAnswerAtOnce: options.mayAnswerAtOnce?.(operation),
          shadowStyles: this.#comparer.stylesOf(operation),
          legacy: callsOn(options.legacy, operation),
          pooled: callsOn(options.pooled, operation),
        });
        return [operation, this.#callsOf(call)];
      }),
    );
    this.api = Object.freeze(methodsOf(this.calls)) as Api;
  }

  /** The calls of the last mismatches of reads, by their ids. */
  get recentCalls(): RecentCalls {
    return this.#comparer.recent;
  }

  /**
   * Makes a read again on both legs, and counts it nowhere.
   *
   * @throws {ChangeoverError} NOT_REPRODUCIBLE for a write, or for an operation that this bridge has not.
   */
  async reproduce(
    { operation, key, shape, args }: RepeatableCall,
    options: ReproduceOptions,
  ): Promise<Reproduction> {
    const call = this.#callOf.get(operation)?.(args);
    if (call === undefined)
      throw notReproducible(`The bridge "${this.backend}" has no operation ${operation}.`);
    if (call.definition.kind !== 'read') throw writeIsNotMade(operation);
    const resolved = this.#resolver.on(call, key, shape);
    return await this.#comparer.reproduce(resolved, args, options);
  }

  /** Resolves when no comparison runs or waits. */
  idle(): Promise<void> {
    return this.#comparer.idle();
  }

  /** Sheds the comparisons that wait and gives up those that run. Calls go on to be routed. Idempotent. */
  close(): void {
    this.#resolver.close();
    this.#wayBack.close();
    this.#comparer.close();
  }

  #callsOf(call: Call): ListCall {
    const { definition, operation } = call;
    const answering = this.#answering;
    const reads = this.#reads;
    this.#callOf.set(operation, () => call);
    const writes = this.#writes;
    switch (definition.kind) {
      case 'read':
        return (args) => answering.begin(reads, call, args);
      case 'write':
        return (args) => answering.begin(writes, call, args);
      case 'statement': {
        const key = definition.key === undefined ? {} : { key: definition.key };
        const classify = definition.reads as Method;
        const isRead = (args: readonly unknown[]): boolean => callWith(classify, args) as boolean;
        const asRead = newCall({ ...call, definition: { ...definition.read, ...key } });
        const asWrite = newCall({
          ...call,
          index: call.index + 1,
          definition: { ...definition.write, ...key },
        });
        this.#callOf.set(operation, (args) => (isRead(args) ? asRead : asWrite));
        return (args) =>
          isRead(args)
            ? answering.begin(reads, asRead, args)
            : answering.begin(writes, asWrite, args);
      }
      case 'control':
        return (args) => answering.owned(this.#control(operation, args));
      case 'legacyOnly':
        return (args) => this.#legacyOnly(call, args);
    }
  }

  /** Both legs hold connections, so both close theirs. */
  async #control(operation: string, args: readonly unknown[]): Promise<unknown> {
    const outcomes = await Promise.allSettled([
      invoke(this.#legs.legacy, operation, args),
      invoke(this.#legs.pooled, operation, args),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return outcomes[0].status === 'fulfilled' ? outcomes[0].value : undefined;
  }

  /** Made on the legacy leg as the call comes: the bridge knows too little of it to keep more. */
  #legacyOnly(call: Call, args: readonly unknown[]): unknown {
    const startedMs = this.#clock.monotonicMs();
    let resolved: ResolvedCall;
    try {
      resolved = this.#resolver.resolve(call, args);
    } catch (error) {
      return this.#answering.refuse(call, error);
    }
    const { cell, shape } = resolved;
    cell.calls += 1;
    shape.calls += 1;
    const answered = (): void => {
      cell[latencyOf.legacy].record(this.#clock.monotonicMs() - startedMs);
    };
    let result: unknown;
    try {
      result = call.legacy(args);
    } catch (error) {
      cell.failed += 1;
      shape.failed += 1;
      throw error;
    }
    // What can be awaited and is no promise may be a query builder, which runs at each await: it is the caller's alone.
    if (!(result instanceof Promise)) {
      answered();
      return isPromise(result) ? result : this.#answering.owned(result);
    }
    this.#calls.begin();
    result.then(
      () => {
        this.#calls.end();
        answered();
      },
      () => {
        this.#calls.end();
        cell.failed += 1;
        shape.failed += 1;
      },
    );
    return this.#answering.owned(result);
  }
}

function newCall(of: Omit<Call, 'style' | 'pooledStyle' | 'mayPromise' | 'quick'>): Call {
  return { ...of, style: undefined, pooledStyle: undefined, mayPromise: false, quick: false };
}
