import type { LegName } from '@changeover/core';
import { type Admission, AdmissionList, type CallTraits } from './admission.ts';
import { type Caller, processRoot } from './caller.ts';
import type { KeyGate } from './key-gate.ts';

/** The unfinished calls that are ordered among each other: those of one caller, or of the process, on one key. */
export class Lane {
  gate: KeyGate;
  /** Calls that wait for none of the lane any more. */
  reads = 0;
  writes = 0;
  /** Calls that wait for earlier ones of the lane. */
  readonly waiting: AdmissionList = new AdmissionList();
  /** Of `reads` and `writes`, those that were handed to the leg that keeps their order. */
  #handedLeg: LegName | undefined = undefined;
  #handedReads = 0;
  #handedWrites = 0;

  constructor(gate: KeyGate) {
    this.gate = gate;
  }

  get idle(): boolean {
    return this.reads === 0 && this.writes === 0 && this.waiting.first === undefined;
  }

  /** A call of that kind, issued now, would have to wait for one of the lane. */
  conflicts(isRead: boolean): boolean {
    return this.waiting.first !== undefined || this.conflictsAhead(isRead);
  }

  /** A call of that kind must not change places with one that waits for none of the lane. */
  conflictsAhead(isRead: boolean): boolean {
    return this.writes > 0 || (!isRead && this.reads > 0);
  }

  /** A call would have to wait for its order: it conflicts, and the leg doesn't see to it. */
  holdsUp(traits: CallTraits): boolean {
    return this.waiting.first !== undefined || this.holdsUpFirst(traits);
  }

  /** The first that waits would have to go on waiting. */
  holdsUpFirst({ kind, leg, legKeepsOrder, mostHanded = Infinity }: CallTraits): boolean {
    const isRead = kind === 'read';
    if (!legKeepsOrder || leg !== this.#handedLeg) return this.conflictsAhead(isRead);
    if (this.#handedReads + this.#handedWrites >= mostHanded) return true;
    return this.writes > this.#handedWrites || (!isRead && this.reads > this.#handedReads);
  }

  /** Notes that a call in flight was handed to a leg. Those on another leg than the rest are left to be waited for. */
  handOver(admission: Admission): void {
    const { kind, leg } = admission.traits;
    if (admission.handed) return;
    if (this.#handedReads + this.#handedWrites === 0) this.#handedLeg = leg;
    else if (this.#handedLeg !== leg) return;
    admission.handed = true;
    if (kind === 'read') this.#handedReads += 1;
    else this.#handedWrites += 1;
  }

  /** Counts a call that waits for none of the lane. */
  enter(isRead: boolean): void {
    if (isRead) this.reads += 1;
    else this.writes += 1;
  }

  /** Takes a call out that was counted. */
  leave(admission: Admission, isRead: boolean): void {
    if (isRead) this.reads -= 1;
    else this.writes -= 1;
    if (admission.handed) {
      if (isRead) this.#handedReads -= 1;
      else this.#handedWrites -= 1;
    }
  }
}

/**
 * A caller's lanes by key. Most callers use one key, so that one is kept without a map, and used again for the next key
 * once it is idle; further ones exist while they hold unfinished calls.
 */
export class CallerLanes {
  readonly #first: Lane;
  #further: Map<KeyGate, Lane> | undefined = undefined;

  constructor(gate: KeyGate) {
    this.#first = new Lane(gate);
  }

  get(gate: KeyGate): Lane {
    const first = this.#first;
    if (first.gate === gate) return first;
    const known = this.#further?.get(gate);
    if (known !== undefined) return known;
    if (first.idle) {
      first.gate = gate;
      return first;
    }
    const lane = new Lane(gate);
    this.#further ??= new Map();
    this.#further.set(gate, lane);
    return lane;
  }

  /** How many lanes are kept. */
  get size(): number {
    return 1 + (this.#further?.size ?? 0);
  }

  /** Forgets a lane that has become idle. */
  release(lane: Lane): void {
    if (lane !== this.#first) this.#further?.delete(lane.gate);
  }
}

/** The lanes of one key: the process's own, and those of its callers. */
export class KeyLanes {
  readonly #gate: KeyGate;
  readonly #useCallers: () => void;
  readonly #ofProcess: Lane;
  #usesCallers = false;

  /** @param useCallers told of the first call that is ordered by its caller. */
  constructor(gate: KeyGate, useCallers: () => void) {
    this.#gate = gate;
    this.#useCallers = useCallers;
    this.#ofProcess = new Lane(gate);
  }

  /** Notes that such calls come: from the first one that is ordered by its caller on, callers are told apart. */
  expect({ order }: CallTraits): void {
    if (order !== 'caller' || this.#usesCallers) return;
    this.#usesCallers = true;
    this.#useCallers();
  }

  /** The lane of a caller's calls, until it is released. */
  of(caller: Caller, traits: CallTraits): Lane {
    const { order } = traits;
    this.expect(traits);
    if (order === 'process' || caller === processRoot) return this.#ofProcess;
    return (caller.lanes ??= new CallerLanes(this.#gate)).get(this.#gate);
  }

  /** Forgets a caller's lane where nothing is left in it. */
  release(caller: Caller, lane: Lane): void {
    if (lane !== this.#ofProcess && lane.idle) caller.lanes?.release(lane);
  }
}
