import { inspect } from 'node:util';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import {
  type Bridge,
  bridgeOf,
  createStaticStageSource,
  type StageSource,
  type StaticStageSource,
} from '@changeover/bridge';
import { digestResult, type ValuePolicy } from '@changeover/compare';
import { type Leg, type ShadowCall, type ShadowLeg, type Stage, stages } from '@changeover/core';

export { createStaticStageSource, type StaticStageSource };

/** A call that a fault may be planted in. */
export interface PlantedCall {
  readonly operation: string;
  readonly args: readonly unknown[];
}

/** Changes an answer: gives another, or throws. The answer itself stays as it is, so a fault makes a copy. */
export type Fault = (answer: unknown, call: PlantedCall) => unknown;

/** How faults are planted. */
export interface PlantOptions {
  /** How long each answer of a shadow, or each promised answer of an object, is held back, in ms. Default: 0. */
  readonly delayMs?: number | undefined;
  /** Which values of a leg's engine are the same. Default: only those that are the same in JavaScript. */
  readonly values?: ValuePolicy | undefined;
}

const counts = new WeakMap<object, Map<string, number>>();

/**
 * How often what {@link planted} made was called: a test of a fault that was never met proves nothing.
 *
 * @param operation one method's calls. Default: all.
 * @throws {TypeError} for anything that `planted` did not make.
 */
export function plantedCalls(made: object, operation?: string): number {
  const calls = counts.get(made);
  if (calls === undefined) throw new TypeError('That was not made by planted().');
  if (operation !== undefined) return calls.get(operation) ?? 0;
  return [...calls.values()].reduce((sum, count) => sum + count, 0);
}

/**
 * Plants a fault, to see that the comparison finds it.
 *
 * Of an object, as `createBridge` takes it, the fault changes what each method answers, or what it promises. Of a leg with a
 * shadow, as `BackendRouter` takes it, it changes what the shadow reads and digests; callers get the leg's own answers. What is
 * wrapped stays as it is.
 */
export function planted<Api extends object>(
  leg: Leg<Api>,
  fault: Fault,
  options?: PlantOptions,
): Leg<Api>;
export function planted<T extends object>(object: T, fault: Fault, options?: PlantOptions): T;
export function planted(
  target: object,
  fault: Fault,
  { delayMs = 0, values }: PlantOptions = {},
): object {
  const calls = new Map<string, number>();
  const plant: Plant = {
    begin: ({ operation }) => calls.set(operation, (calls.get(operation) ?? 0) + 1),
    fault,
    delayMs,
    values,
  };
  const made = isLeg(target) ? plantedLeg(target, plant) : plantedObject(target, plant);
  counts.set(made, calls);
  return made;
}

interface Plant {
  /** Counts a call, also one that will fail. */
  readonly begin: (call: PlantedCall) => void;
  readonly fault: Fault;
  readonly delayMs: number;
  readonly values: ValuePolicy | undefined;
}

function isLeg(target: object): target is Leg<object> {
  const { name, api } = target as { readonly name?: unknown; readonly api?: unknown };
  return (name === 'legacy' || name === 'pooled') && typeof api === 'object' && api !== null;
}

function plantedObject(object: object, { begin, fault, delayMs }: Plant): object {
  return new Proxy(object, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || typeof name !== 'string' || name === 'constructor')
        return value;
      return (...args: readonly unknown[]): unknown => {
        const call = { operation: name, args };
        begin(call);
        // The object itself is `this`: private fields are no proxy's.
        const answer: unknown = Reflect.apply(value, target, args);
        if (!(answer instanceof Promise)) return fault(answer, call);
        return answer.then(async (settled: unknown) => {
          if (delayMs > 0) await pause(delayMs);
          return fault(settled, call);
        });
      };
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

/** A leg without a shadow is compared by its API, so that is where its faults are. */
function plantedLeg(leg: Leg<object>, plant: Plant): Leg<object> {
  const closedWhile: Leg<object>['closedWhile'] =
    leg.closedWhile === undefined ? undefined : leg.closedWhile.bind(leg);
  return {
    name: leg.name,
    api: leg.shadow === undefined ? plantedObject(leg.api, plant) : leg.api,
    ...(closedWhile === undefined ? {} : { closedWhile }),
    ...(leg.shadow === undefined ? {} : { shadow: plantedShadow(leg.shadow, plant) }),
  };
}

function plantedShadow(shadow: ShadowLeg, { begin, fault, delayMs, values }: Plant): ShadowLeg {
  const changed = async (call: ShadowCall, read: () => Promise<unknown>): Promise<unknown> => {
    begin(call);
    if (delayMs > 0) await pause(delayMs);
    return fault(await read(), call);
  };
  const own: Partial<ShadowLeg> = {
    read: (call) => changed(call, () => shadow.read(call)),
    async digest(call) {
      const digest = await shadow.digest(call);
      let given: unknown;
      const answer = await changed(call, async () => (given = await shadow.read(call)));
      // What was not changed is digested by the leg, which knows its engine's values.
      if (answer === given) return digest;
      const compared = call.compareAs === undefined ? answer : call.compareAs(answer);
      return digestResult(compared, digest.kind, values);
    },
  };
  const { holdSnapshot, readInSnapshot } = shadow;
  if (holdSnapshot !== undefined)
    own.holdSnapshot = async (dataset, signal) => {
      const held = await holdSnapshot.call(shadow, dataset, signal);
      if (held === undefined) return undefined;
      return {
        name: held.name,
        read: (call) => changed(call, () => held.read(call)),
        release: () => held.release(),
      };
    };
  if (readInSnapshot !== undefined)
    own.readInSnapshot = (call, snapshot) =>
      changed(call, () => readInSnapshot.call(shadow, call, snapshot));
  return new Proxy(shadow, {
    get(target, name) {
      const planted: unknown = own[name as keyof ShadowLeg];
      if (planted !== undefined) return planted;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** The stage that a call through an object of `createBridge` would be on now.
 *
 * @throws {WiringError} for any other object. */
export function stageOf(object: object, key?: string, operation?: string): Stage {
  return bridgeOf(object).stageOf(key, operation);
}

/** A call as a program makes it. One that takes a callback hands it on: it is waited for. */
export type ContractCall<T> = (object: T, callback: (...outcome: unknown[]) => void) => unknown;

/** What {@link contract} is to check. */
export interface ContractOptions<T extends object, P extends object> {
  /** A fresh legacy object: how it answers is what the bridge must do. */
  readonly legacy: () => T;
  /** A fresh object to take its place. */
  readonly pooled: () => P;
  /** Makes the bridge of these legs, whose calls are counted, and these stages:
   * `({ legacy, pooled, stages }) => createBridge({ name, legacy, pooled, stages, operations })`. */
  readonly bridge: (parts: {
    readonly legacy: () => T;
    readonly pooled: () => P;
    readonly stages: StageSource;
  }) => T;
  /** By name, made in this order at each stage. */
  readonly calls: Readonly<Record<string, ContractCall<T>>>;
  /** The methods that write. Default: none, so that no effect is counted. */
  readonly writes?: readonly string[] | undefined;
}

interface Outcome {
  readonly promised: boolean;
  readonly error: string | undefined;
  readonly callbacks: number;
}

/**
 * Makes a program's own calls on the legacy object alone and through a bridge, at the four stages and back, and tells where the
 * bridge did otherwise: answered later or sooner, failed with another error, called back more or less than once, or made a write
 * other than once. Answers are compared by the bridge itself: where its guardrail puts it back for one, that is told, and it is let go
 * for the next stage. Legs that keep what is written share a store, as they do in a program. The bridge is closed at the end.
 *
 * @returns a sentence for each fault; none where the contract was kept.
 */
export async function contract<T extends object, P extends object>(
  options: ContractOptions<T, P>,
): Promise<string[]> {
  const { calls, writes = [] } = options;
  const same: Fault = (answer) => answer;
  const alone = planted(options.legacy(), same);
  const legs = [planted(options.legacy(), same), planted(options.pooled(), same)] as const;
  const source = createStaticStageSource(() => 'legacy');
  const bridged = options.bridge({
    legacy: () => legs[0],
    pooled: () => legs[1],
    stages: source,
  });
  const written = (...objects: readonly object[]): number =>
    objects.reduce<number>(
      (sum, object) => sum + writes.reduce((all, name) => all + plantedCalls(object, name), 0),
      0,
    );
  const faults: string[] = [];
  try {
    await bridgeOf(bridged).ready();
    for (const stage of [...stages, ...stages.toReversed().slice(1)]) {
      source.set(() => stage);
      for (const [name, call] of Object.entries(calls)) {
        const before = [written(alone), written(...legs)] as const;
        const expected = await outcomeOf(call, alone);
        const found = await outcomeOf(call, bridged);
        await bridgeOf(bridged).idle();
        const [once, made] = [written(alone) - before[0], written(...legs) - before[1]];
        faults.push(...differences(expected, found).map((fault) => `${name} at ${stage} ${fault}`));
        if (once !== made)
          faults.push(`${name} at ${stage} wrote ${String(made)} times, not ${String(once)}`);
      }
      faults.push(...putBack(bridgeOf(bridged), stage));
    }
  } finally {
    await bridgeOf(bridged).close();
  }
  return faults;
}

/** What the guardrail holds at legacy is not at the stage that was to be checked: it is let go for the next one. */
function putBack({ guardrail }: Bridge, stage: Stage): string[] {
  return guardrail.holds.map(({ backend, target, reason }) => {
    guardrail.resume(backend, target);
    return `the guardrail put the bridge back to legacy at ${stage}: ${reason}`;
  });
}

async function outcomeOf<T>(call: ContractCall<T>, object: T): Promise<Outcome> {
  const { promise: calledBack, resolve } = Promise.withResolvers<undefined>();
  let callbacks = 0;
  let error: string | undefined;
  let promised = false;
  try {
    const answer = call(object, (failure: unknown) => {
      callbacks += 1;
      if (failure !== null && failure !== undefined) error = textOf(failure);
      resolve(undefined);
    });
    promised =
      typeof (answer as { readonly then?: unknown } | null | undefined)?.then === 'function';
    await answer;
    if (call.length > 1) await calledBack;
  } catch (thrown) {
    error = textOf(thrown);
  }
  // A second callback would come now.
  await nextTurn();
  return { promised, error, callbacks };
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error);
}

function differences(expected: Outcome, found: Outcome): string[] {
  const faults: string[] = [];
  const answers = ({ promised }: Outcome): string => (promised ? 'with a promise' : 'at once');
  if (expected.promised !== found.promised)
    faults.push(`answers ${answers(found)}, not ${answers(expected)}`);
  if (expected.error !== found.error)
    faults.push(`fails with ${found.error ?? 'nothing'}, not ${expected.error ?? 'nothing'}`);
  if (expected.callbacks !== found.callbacks)
    faults.push(`calls back ${String(found.callbacks)} times, not ${String(expected.callbacks)}`);
  return faults;
}
