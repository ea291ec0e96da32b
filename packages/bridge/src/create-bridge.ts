import { type Clock, type Leg, type LegName, type Stage, systemClock } from '@changeover/core';
import { BackendRouter, type BackendRouterOptions } from './call/backend-router.ts';
import { answerStyles, callsOf, type LegObject, methodsOf } from './call/leg-calls.ts';
import {
  type ListCall,
  type Member,
  membersOf,
  type Method,
  onlyKey,
  WiringError,
} from './call/members.ts';
import { abilitiesOf } from './call/leg-abilities.ts';
import { bridgedObject } from './call/bridged-object.ts';
import type { OperationSpec } from './call/operations.ts';
import type { BridgeTypes, KeyOption, Operations, PooledLeg } from './call/bridge-types.ts';
import { checkName, checkWiring } from './call/check-wiring.ts';
import { checkOperations } from './call/check-operations.ts';
import { checkChoices } from './call/check-choices.ts';
import { definitionsOf, type KeyOf, keysOf } from './call/definitions.ts';
import { routes } from './call/route.ts';
import { Legs, mustBeObject } from './call/legs.ts';
import { BridgeServices } from './bridge-services.ts';
import {
  type BridgeSettings,
  parseSettings,
  refuseUnknown,
  settingNames,
} from './bridge-settings.ts';
import { callTarget } from './stages/flags/stage-source.ts';
import { passedText } from './call/way-back.ts';
import { callSiteNow, SerialLeg } from './guarantees/index.ts';
import { openBridge } from './open-bridges.ts';
import type { RepeatSource } from './recorder/repeat-answers.ts';
import { openServicesOf, servicesOf } from './shared-services.ts';
import { findSample, storedCall } from './recorder/find-sample.ts';
import type { Recorder } from './recorder/recorder.ts';
import type { RepeatableCall } from './shadow/recent-calls.ts';
import type { Reproduction } from './recorder/reproduced-call.ts';
import { notReproducible, type ReproduceOptions } from './shadow/reproduction.ts';
import type { Guardrail } from './stages/guardrail.ts';
import type { Ledger } from './stages/ledger/ledger.ts';

/** What a bridge over anyone's object is made of. */
export interface BridgeOptions<T extends object, O> extends BridgeSettings {
  /** The backend's name: the flag is `changeover.{name}`, and counts, ledger, command and report know it by this. Two open bridges of one
   * name that share a store are logged, as `name-taken`. */
  readonly name: string;
  /** The singleton. Called once, when it is first needed; may promise it. */
  readonly legacy: () => T | PromiseLike<T>;
  /** What takes its place. Called once, when the legacy object is first needed, so that faults show at `legacy`; may promise it.
   * Where it throws or rejects, that is logged and every call stays with the legacy leg. */
  readonly pooled: () =>
    PooledLeg<NoInfer<T>, NoInfer<O>> | PromiseLike<PooledLeg<NoInfer<T>, NoInfer<O>>>;
  /** What each member is: `{ list: read.rows(), add: write(), close: control() }`. */
  readonly operations: O & BridgeTypes<T, O>;
  /** What moves by itself: by operation from its arguments, or for all of them from what surrounds the call
   * (`() => tenant.getStore()?.id`). Default: one key, `all`. */
  readonly key?: KeyOption<NoInfer<T>, NoInfer<O>> | undefined;
  /** What becomes of callable members that are not declared, of the object and of each object inside that is a `sub`. `legacy`: they are
   * the legacy leg's, and counted. Default: `refuse`, when the bridge is first used. */
  readonly undeclared?: 'refuse' | 'legacy' | undefined;
  /** Flags, ledger, guardrail and recorder to share with another bridge: `bridgeOf(other).services`. The bridge that made them closes
   * them, and ends the comparisons of all that share them. Of the settings `rules` alone may stand beside it. Default: of its own. */
  readonly services?: BridgeServices | undefined;
  /** True where bridges of this name are made again and again, as one for each file or tenant, or for each request: those with the same settings
   * share their services in this process. The last that is closed closes them. Default: false. */
  readonly shareServices?: boolean | undefined;
  /** True where the legacy object is a function or a class with statics. Default: false. */
  readonly callable?: boolean | undefined;
  /** True for an error of the pooled leg that means it had no connection, so that nothing was run. Default: never. */
  readonly isUnavailable?: ((error: unknown) => boolean) | undefined;
  /** True where the legacy object is one queue for all its keys: its calls keep their order by themselves. Default: false. */
  readonly serialLegacy?: boolean | undefined;
  /** What every operation answers: `promises` saves looking at each answer. Default: what the legacy leg does. */
  readonly answers?: 'promises' | undefined;
  /** Turns a key as callers write it into the key that both legs mean, of operations that say theirs by themselves: the storage API's.
   * What it throws is the call's error. Default: as it is. */
  readonly parseKey?: ((name: unknown) => string) | undefined;
  /** The read that shows the rows of a table, for comparing writes that say which tables they touch. Default: none. */
  readonly tableRead?: BackendRouterOptions<object>['tableRead'];
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** What can be asked of a bridge beside the calls that go through it. */
export interface Bridge extends AsyncDisposable {
  readonly name: string;
  /** What this bridge's flags, ledger, guardrail and recorder belong to: another bridge takes it as its option `services`. */
  readonly services: BridgeServices;
  readonly recorder: Recorder;
  readonly guardrail: Guardrail;
  /** What is held back and why, shared with every process that uses the same store. */
  readonly ledger: Ledger;
  /** The stage that a call would be on now. */
  stageOf(key?: string, operation?: string): Stage;
  /** Makes both legs and checks them: at a program's start, so that a fault shows there.
   *
   * @throws {WiringError} with every fault. */
  ready(): Promise<void>;
  /** The place in the program that is making a call (`src/orders.ts:12`), where it is sampled: for adapters that see callers rely on
   * what the bridge itself can't see. Never throws. */
  captureSite(kind: string, key: string): string | undefined;
  /** Resolves when no comparison runs or waits. */
  idle(): Promise<void>;
  /**
   * Makes the call of a mismatch again, on both legs, and judges it as a comparison is judged: both legs are run again where they
   * differ. Reads alone; what is found is counted nowhere. The bridge keeps the latest call of each of its last 100 mismatches in
   * memory, of 64 KiB at most; others are found where the store has their values (`sampleValues: 'raw'`).
   *
   * @param what a mismatch's id, as the report shows it, or its beginning; or the call itself.
   * @throws {ChangeoverError} NO_SUCH_SAMPLE with the ids that there are; NOT_REPRODUCIBLE for a write, for a call whose values are
   * not kept, and for one that is not done in time. The message says what to do.
   */
  reproduce(what: string | RepeatableCall, options?: ReproduceOptions): Promise<Reproduction>;
  /** Ends comparisons and stores the counts. The legs are their owner's to close. Idempotent. */
  close(): Promise<void>;
}

/** A bridge as adapters end it: see {@link endBridge}. */
interface EndableBridge extends Bridge {
  end(): void;
}

const bridges = new WeakMap<object, EndableBridge>();

/**
 * What stands behind an object that {@link createBridge} made.
 *
 * @throws {WiringError} for any other object.
 */
export function bridgeOf(object: object): Bridge {
  return endableOf(object);
}

function endableOf(object: object): EndableBridge {
  const bridge = bridges.get(object);
  if (bridge === undefined) throw new WiringError('That object was not made by createBridge.');
  return bridge;
}

/**
 * Lets {@link bridgeOf} know an object that an adapter made in front of a bridge, as callers see it, for the bridge behind it.
 *
 * @param bridged what {@link createBridge} made.
 * @returns the stand-in.
 * @throws {WiringError} for anything else.
 */
export function standsFor<T extends object>(standIn: T, bridged: object): T {
  bridges.set(standIn, endableOf(bridged));
  return standIn;
}

/**
 * Ends the comparisons of a bridge whose handle was closed. What it shares with others stays open for the next one, and its counts are
 * stored as they are all the time; `bridgeOf(object).close()` may follow. Idempotent.
 *
 * @throws {WiringError} for an object that {@link createBridge} did not make.
 */
export function endBridge(object: object): void {
  endableOf(object).end();
}

const ownNames: readonly string[] = [
  'name',
  'legacy',
  'pooled',
  'operations',
  'key',
  'undeclared',
  'callable',
  'services',
  'shareServices',
  'isUnavailable',
  'answers',
  'serialLegacy',
  'parseKey',
  'tableRead',
  'clock',
];

/**
 * Puts a bridge in the place of anyone's singleton: an object, a class with statics, a module of functions, a function.
 *
 * ```ts
 * export const notes = createBridge({
 *   name: 'notes',
 *   legacy: () => Notes.getInstance(),
 *   pooled: () => createPooledNotes(),
 *   operations: { list: read.rows(), add: write(), close: control() },
 *   key: { list: (notebook) => notebook, add: (notebook) => notebook },
 * });
 * ```
 *
 * The result has the legacy object's type and behaviour. Each declared call goes to the leg that its key's stage says, by the
 * flag `changeover.{name}`; at `shadow` and `reverse` reads go to the other leg too, in the background, and are compared.
 *
 * @throws {WiringError} {InvalidOptionError} for options that can't be used. What only the objects can show is refused when the
 * bridge is first used, or by `bridgeOf(result).ready()`.
 */
export function createBridge<T extends object, const O extends Operations<T>>(
  options: BridgeOptions<T, O>,
): T {
  return new ObjectBridge<T>(options as unknown as GivenOptions<T>).object;
}

/** The options as the bridge uses them; what their types promise of each other was checked where they were given. */
interface GivenOptions<T extends object> extends Omit<
  BridgeOptions<T, never>,
  'pooled' | 'operations'
> {
  readonly pooled: () => object;
  readonly operations: Readonly<Record<string, OperationSpec>>;
}

/** How long a promised leg is awaited before that is logged, in ms. */
const legAwaitedMs = 10_000;

class ObjectBridge<T extends object> implements EndableBridge {
  readonly name: string;
  readonly object: T;
  readonly #options: GivenOptions<T>;
  readonly #members: readonly Member[];
  readonly #keyOf: (operation: string) => KeyOf;
  /** See {@link BridgedObject.own}. */
  readonly #own: (value: unknown) => unknown;
  readonly #madeAt = callSiteNow();
  #services: BridgeServices | undefined;
  /** Ends what others know of this bridge. */
  readonly #ends: (() => void)[] = [];
  #router: BackendRouter<Record<string, Method>> | undefined;
  #legs: Legs<T> | undefined;
  #refused: WiringError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: GivenOptions<T>) {
    refuseUnknown(options, [...ownNames, ...settingNames]);
    this.name = checkName(options.name);
    for (const leg of ['legacy', 'pooled'] as const)
      if (typeof options[leg] !== 'function')
        throw new WiringError(
          `The option ${leg} of "${this.name}" is no function: write ${leg}: () => the object.`,
        );
    checkChoices(this.name, options);
    checkOperations(options.operations);
    this.#options = options;
    this.#members = membersOf(options.operations);
    this.#keyOf = keysOf(options.key, this.#members);
    const { object, own } = bridgedObject<T>({
      name: this.name,
      members: this.#members,
      callable: options.callable === true,
      legs: () => this.#legs ?? this.#wired(),
      routed: (operation) => this.#routed(operation),
      answering: () => this.#answering,
      undeclared: (name) => {
        this.#countUndeclared(name);
      },
      logger: () => this.services.logger,
    });
    this.object = object;
    this.#own = own;
    if (options.services !== undefined) this.#use(options.services).serve(this);
    bridges.set(this.object, this);
  }

  get services(): BridgeServices {
    if (this.#services !== undefined) return this.#services;
    const settings = parseSettings(settingsIn(this.#options));
    if (this.#options.shareServices !== true) return this.#use(new BridgeServices(settings));
    const services = servicesOf(this.name, settings);
    services.serve(this);
    this.#services = services;
    return services;
  }

  #use(services: BridgeServices): BridgeServices {
    this.#services = services;
    if (this.#closing !== undefined) return services;
    const { name } = this;
    const { storeName: store, logger } = services;
    this.#ends.push(openBridge({ name, store, madeAt: this.#madeAt }, logger));
    return services;
  }

  get recorder(): Recorder {
    return this.services.recorder;
  }

  get guardrail(): Guardrail {
    return this.services.guardrail;
  }

  get ledger(): Ledger {
    return this.services.ledger;
  }

  stageOf(key: string = onlyKey, operation = '*'): Stage {
    return this.guardrail.decide({ backend: this.name, dataset: key, operation }).stage;
  }

  captureSite(kind: string, key: string): string | undefined {
    return this.services.captureSite(kind, `${this.name}:${key}`);
  }

  async ready(): Promise<void> {
    const legs = this.#wired();
    await legs.checked;
  }

  async idle(): Promise<void> {
    await this.#router?.idle();
  }

  async reproduce(
    what: string | RepeatableCall,
    options: ReproduceOptions = {},
  ): Promise<Reproduction> {
    await this.ready();
    const router = (this.#router ??= this.#makeRouter());
    if (typeof what !== 'string') return await router.reproduce(what, options);
    const recent = router.recentCalls.get(what);
    if (recent !== undefined) return await router.reproduce(recent, options);
    const group = await findSample(this.recorder, what, this.name);
    return await router.reproduce(router.recentCalls.get(group.id) ?? storedCall(group), options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  end(): void {
    this.#router?.close();
    for (const end of this.#ends.splice(0)) end();
    this.#services?.leave(this);
  }

  async #close(): Promise<void> {
    this.end();
    const { services: given, shareServices = false } = this.#options;
    if (given !== undefined) return;
    if (!shareServices) {
      await this.#services?.close();
      return;
    }
    // Earlier handles may have left them open for this one, which made no call. Others may use them still.
    const services =
      this.#services ?? openServicesOf(this.name, parseSettings(settingsIn(this.#options)));
    if (services?.serves === true) services.recorder.flush();
    else if (services?.closed === false) await services.close();
  }

  /** Makes both legs, once, and refuses what can't be bridged: at each use, but by the same two objects. */
  #wired(): Legs<T> {
    if (this.#legs !== undefined) return this.#legs;
    if (this.#refused !== undefined) throw this.#refused;
    try {
      this.#legs = this.#makeLegs();
    } catch (error) {
      if (error instanceof WiringError) this.#refused = error;
      throw error;
    }
    this.#legs.checked.catch((error: unknown) => {
      this.services.logger.error(
        { backend: this.name, err: error },
        'a leg is not to be had: every call stays with the legacy leg',
      );
    });
    this.#tellWhereAwaited(this.#legs);
    return this.#legs;
  }

  /** A promise that never settles says nothing by itself, and its calls wait, or stay where they are, without a word. */
  #tellWhereAwaited(legs: Legs<T>): void {
    if (legs.awaited.length === 0) return;
    const { clock = systemClock } = this.#options;
    const timer = clock.after(legAwaitedMs, () => {
      if (this.#closing !== undefined) return;
      this.services.logger.warn(
        { event: 'leg-not-there', backend: this.name, legs: legs.awaited },
        `the ${legs.awaited.join(' and the ')} leg is promised and not there after ${String(legAwaitedMs / 1_000)} s: calls wait for a legacy ` +
          'leg, and stay with it where the pooled one is missing. A promise of a proxy that answers every name with a function, "then" ' +
          'too, never settles: let that answer undefined for "then"',
      );
    });
    const end = (): void => {
      timer.cancel();
    };
    legs.checked.then(end, end);
  }

  #makeLegs(): Legs<T> {
    return new Legs<T>(this.#options, (legacy, pooled) => {
      mustBeObject(this.name, 'legacy', legacy);
      mustBeObject(this.name, 'pooled', pooled);
      if (typeof legacy === 'function' && this.#options.callable !== true)
        throw new WiringError(
          `The legacy object of "${this.name}" is a function or a class: add callable: true.`,
        );
      checkWiring(
        this.name,
        this.#members,
        { legacy, pooled },
        this.#options.undeclared ?? 'refuse',
      );
    });
  }

  /** The leg that answers for properties. */
  get #answering(): LegName {
    const key = typeof this.#options.key === 'function' ? this.#keyOf('*')() : onlyKey;
    return routes[this.stageOf(key)].read.answers;
  }

  #countUndeclared(name: string): void {
    if (this.#options.undeclared !== 'legacy') return;
    this.services.recorder.cell(this.name, onlyKey, name, this.stageOf()).calls += 1;
  }

  #routed(operation: string): ListCall {
    this.#router ??= this.#makeRouter();
    return this.#router.calls[operation] as ListCall;
  }

  #leg(name: LegName, legs: Legs<T>): Leg<Record<string, Method>> {
    const leg: LegObject = legs[name];
    const calls = callsOf(this.#members, leg);
    return { ...abilitiesOf(leg.here), name, api: methodsOf(calls), calls };
  }

  #makeRouter(): BackendRouter<Record<string, Method>> {
    const legs = this.#wired();
    const { services } = this;
    const { clock, isUnavailable, parseKey, tableRead, rules, answers } = this.#options;
    const { settings } = services;
    const router = new BackendRouter<Record<string, Method>>({
      backend: this.name,
      legacy: this.#leg('legacy', legs),
      pooled: this.#leg('pooled', legs),
      operations: definitionsOf(this.#members, this.#keyOf),
      stages: legs.capped(services.guardrail),
      recorder: services.watch.over(services.recorder),
      guardrail: services.guardrail,
      logger: services.logger,
      isUnavailable,
      clock,
      rules: rules ?? settings.rules,
      parseKey,
      tableRead,
      // An API of which every answer is data needs no look at each.
      own: answers === 'promises' ? undefined : this.#own,
      mayAnswerAtOnce:
        answers === 'promises' ? undefined : answerStyles(this.#members, legs.legacy, legs.pooled),
      guarantees: services.guarantees,
      backWithinMs: settings.backWithinMs,
      sampleValues: settings.sampleValues,
      onPassed: (passed) => {
        services.ledger.note(this.name, callTarget(passed.key), passedText(passed));
      },
      ...(this.#options.serialLegacy === true ? { serial: { legacy: new SerialLeg() } } : {}),
      ...(settings.shadowQueue === undefined ? {} : { queue: settings.shadowQueue }),
    });
    const repeats: RepeatSource = {
      has: ({ id, call }) => (router.recentCalls.get(id) ?? call) !== undefined,
      make: async ({ id, call, timeoutMs }) => {
        const known = router.recentCalls.get(id) ?? call;
        if (known === undefined) throw notReproducible(`No call of ${id} is in memory any more.`);
        return await router.reproduce(known, { timeoutMs });
      },
    };
    this.#ends.push(services.recorder.answerRepeats(this.name, repeats));
    return router;
  }
}

function settingsIn(options: object): BridgeSettings {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => (settingNames as readonly string[]).includes(name)),
  );
}
