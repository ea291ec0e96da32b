import { InvalidArgumentError, parseDatasetName, storageOperations } from '@changeover/engines/api';
import type {
  Digest,
  HeldSnapshot,
  ShadowCall,
  ShadowLeg,
  ShadowWriteLimits,
  WriteEffect,
  WritesSeen,
} from '@changeover/core';
import { SnapshotLostError } from '@changeover/core';
import { type PagesRead, writtenSince } from '@changeover/engines';
import { digestAnswer, isDatasetOperation } from '../job.ts';
import type { DigestInState, Job } from '../job.ts';
import type { StoreOperation } from '../dataset/dataset-management.ts';
import type { SnapshotOnLoan } from '../held-snapshots.ts';
import type { PooledEngine } from '../pooled-engine.ts';

/** How long a rehearsal waits for a lock that a caller holds. */
const lockTimeoutMs = 10;

/** The pooled leg's work for comparison's sake. It has pools of its own, so that nothing that hangs here takes a
 * caller's connection. */
export class PooledShadowLeg implements ShadowLeg {
  /** A field, for whoever puts an object in front of this one: see `ShadowLeg.tellsVersions`. */
  readonly tellsVersions: boolean;
  /** A field as well. */
  readonly digestTellsState: boolean;
  /** Absent on PostgreSQL, where the state is the mark. */
  readonly mark: ShadowLeg['mark'];
  readonly #shadow: PooledEngine;
  readonly #maxRunning: number;
  #running = 0;

  /**
   * @param shadow the pools for comparison.
   * @param maxRunning shadow calls at once.
   */
  constructor(shadow: PooledEngine, maxRunning: number) {
    this.#shadow = shadow;
    this.#maxRunning = maxRunning;
    this.tellsVersions = shadow.engine === 'sqlite';
    const isPostgres = shadow.engine === 'postgresql';
    this.digestTellsState = isPostgres;
    this.mark = isPostgres
      ? undefined
      : async (dataset) => await shadow.mark(parseDatasetName(dataset));
  }

  admits(): boolean {
    return this.#running < this.#maxRunning;
  }

  async digest(call: ShadowCall): Promise<Digest> {
    const { operation, args } = readOf(call);
    if (isDatasetOperation(operation)) {
      const [dataset, ...rest] = args;
      const withState = this.digestTellsState && call.onState !== undefined;
      const job = { kind: 'operation', operation, args: rest, digest: true, withState } as const;
      const answer = await this.#run(call, dataset, job);
      if (!withState) return answer as Digest;
      const { state, digest } = answer as DigestInState;
      call.onState(state);
      return digest;
    }
    return digestAnswer(operation, await this.read(call));
  }

  async read(call: ShadowCall): Promise<unknown> {
    const { operation, args } = readOf(call);
    const [dataset, ...rest] = args;
    if (isDatasetOperation(operation))
      return await this.#run(call, dataset, { kind: 'operation', operation, args: rest });
    const name = operation === 'listDatasets' ? '' : parseDatasetName(dataset);
    return await this.#shadow.manage(operation as StoreOperation, name, { signal: call.signal });
  }

  version(dataset: string): string | undefined {
    return this.#shadow.version(dataset);
  }

  async state(dataset: string, signal: AbortSignal): Promise<string | undefined> {
    return await this.#shadow.state(parseDatasetName(dataset), signal);
  }

  async writesSince(call: ShadowCall, mark: string): Promise<WritesSeen | undefined> {
    const { operation, args } = readOf(call);
    if (this.#shadow.engine !== 'sqlite' || !isDatasetOperation(operation)) return undefined;
    const [dataset, ...rest] = args;
    const evidence = { mark };
    const job = { kind: 'operation', operation, args: rest, evidence } as const;
    const read = (await this.#run(call, dataset, job)) as PagesRead | undefined;
    return read !== undefined && writtenSince(mark, read) === false ? 'none' : undefined;
  }

  async holdSnapshot(dataset: string, signal: AbortSignal): Promise<HeldSnapshot | undefined> {
    if (this.#shadow.engine !== 'postgresql') return undefined;
    return heldSnapshot(await this.#shadow.holdSnapshot(parseDatasetName(dataset), signal));
  }

  async rehearse(call: ShadowCall, limits: ShadowWriteLimits): Promise<WriteEffect> {
    const [dataset] = call.args;
    return (await this.#run(call, dataset, rehearsal(call, limits.maxRows))) as WriteEffect;
  }

  /** What a rehearsal is expected to take, in ms, so that one that doesn't fit the caller's budget needn't be begun. Infinity
   * for what nothing bounds and was never rehearsed to its end, undefined where nothing is known. 0 but on SQLite: elsewhere one
   * that is given up has soon ended. */
  estimatedRehearsalMs(call: Pick<ShadowCall, 'operation' | 'args'>): number | undefined {
    const [dataset] = call.args;
    if (this.#shadow.engine !== 'sqlite') return 0;
    return this.#shadow.estimatedCostMs(parseDatasetName(dataset), rehearsal(call, 1));
  }

  async scratchWrite(call: ShadowCall, { maxRows }: ShadowWriteLimits): Promise<WriteEffect> {
    if (call.operation !== 'writeTable') throw refused(call, 'done apart');
    const [dataset, ...args] = call.args;
    return (await this.#run(call, dataset, { kind: 'scratchWrite', args, maxRows })) as WriteEffect;
  }

  async #run(call: ShadowCall, dataset: unknown, job: Job): Promise<unknown> {
    this.#running += 1;
    try {
      return await this.#shadow.runJob(parseDatasetName(dataset), job, call.signal);
    } finally {
      this.#running -= 1;
    }
  }
}

function rehearsal(call: Pick<ShadowCall, 'operation' | 'args'>, maxRows: number): Job {
  if (call.operation !== 'execute') throw refused(call, 'rehearsed');
  return { kind: 'rehearse', args: call.args.slice(1), maxRows, lockTimeoutMs };
}

/** What a connection holds, as legs are asked for it. */
export function heldSnapshot(held: SnapshotOnLoan): HeldSnapshot {
  return {
    name: held.name,
    read: (call) => {
      const { operation, args } = readOf(call);
      // What is asked of the store is answered by another connection: it is no difference between the legs.
      if (!isDatasetOperation(operation))
        throw new SnapshotLostError(`No snapshot of a dataset holds what ${operation} tells.`);
      return held.run(
        { kind: 'operation', operation, args: args.slice(1), inSnapshot: true },
        call.signal,
      );
    },
    writesSince: async (call, mark) => {
      const { operation, args } = readOf(call);
      if (!isDatasetOperation(operation)) return undefined;
      const evidence = { mark };
      return (await held.run(
        { kind: 'operation', operation, args: args.slice(1), inSnapshot: true, evidence },
        call.signal,
      )) as WritesSeen | undefined;
    },
    release: held.release,
  };
}

/** Only reads may be run twice. */
function readOf(call: ShadowCall): ShadowCall {
  const known = Object.hasOwn(storageOperations, call.operation);
  if (
    !known ||
    storageOperations[call.operation as keyof typeof storageOperations].kind !== 'read'
  ) {
    throw refused(call, 'read');
  }
  return call;
}

function refused({ operation }: Pick<ShadowCall, 'operation'>, how: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `The operation ${JSON.stringify(operation)} can not be ${how} for comparison.`,
  );
}
