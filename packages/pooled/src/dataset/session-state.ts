import {
  keepsSession,
  type KnownReliance,
  type SessionFacts,
  type SessionMode,
  type SessionUse,
} from '@changeover/engines';
import {
  appendingStatement,
  SessionStateError,
  type StorageErrorFields,
} from '@changeover/engines/api';
import { type Job, nameOf, type OperationJob } from '../job.ts';
import type { Lease } from '../pool/lease.ts';
import type { Pool } from '../pool/pool.ts';
import type { PooledSession } from '../pooled-session.ts';
import type { CallLimit } from './call-limit.ts';
import type { SessionPin } from './session-pin.ts';

/** What becomes of statements that leave something on their connection. */
export interface SessionParts {
  readonly facts: SessionFacts;
  /** `pin`: the dataset has one connection from then on. `refuse`: they are refused. `none`: they are run, and nobody is lent the
   * connection afterwards. Asked at each of them. */
  readonly mode: () => SessionMode;
  /** What the dataset's calls are known to rely on. */
  readonly known: () => KnownReliance;
  /** Whether the dataset can't have a second connection beside one that is kept. */
  readonly isSingle: boolean;
  /** @param last the connection last written on. */
  readonly pin: (last: () => PooledSession | undefined) => SessionPin;
}

/** The pools that a dataset's calls take connections of. */
export interface ReadersAndWriters {
  /** Lends connections for reads; the same pool as `writers` where the engine makes no difference. */
  readonly readers: Pool<PooledSession>;
  readonly writers: Pool<PooledSession>;
}

/** What one dataset's statements leave on their connection, and which connection a call runs on because of it. */
export class SessionState {
  readonly #parts: SessionParts;
  readonly #pools: ReadersAndWriters;
  readonly #fields: (operation: string) => StorageErrorFields;
  readonly #pin: SessionPin;
  #lastWriter: WeakRef<PooledSession> | undefined;

  constructor(
    parts: SessionParts,
    pools: ReadersAndWriters,
    fields: (operation: string) => StorageErrorFields,
  ) {
    this.#parts = parts;
    this.#pools = pools;
    this.#fields = fields;
    this.#pin = parts.pin(() => this.#lastWriter?.deref());
    this.#keepWhatIsKnown();
  }

  /** Whether every call runs on one connection. */
  get takesAll(): boolean {
    return this.#pin.takesAll;
  }

  /** A job with what its statement does to its connection. */
  marked(job: OperationJob): OperationJob {
    const sql = statementOf(job);
    if (sql === undefined) return job;
    const { facts } = this.#parts;
    const keeps = keepingOf(facts.sessionUse(sql));
    if (keeps !== undefined) return { ...job, session: keeps };
    return facts.readsLastWrite(sql) ? { ...job, session: 'last write' } : job;
  }

  /** To be told of each job before it takes a connection: what it leaves is kept from then on.
   *
   * @returns the job, marked.
   * @throws {SessionStateError} where leaving something is refused. */
  entered(given: Job): Job {
    if (given.kind === 'rehearse') {
      const [sql] = given.args;
      const keeps =
        typeof sql === 'string' ? keepingOf(this.#parts.facts.sessionUse(sql)) : undefined;
      return keeps === undefined ? given : { ...given, session: keeps };
    }
    if (given.kind !== 'operation') return given;
    const job = this.marked(given);
    if (job.session === undefined) return job;
    const mode = this.#parts.mode();
    if (mode === 'none') return job;
    if (job.session === 'may keep') {
      if (mode === 'pin') this.#pin.keepUntil(this.#keeps(job));
      return job;
    }
    if (job.session === 'keeps') {
      this.#refuse(job, mode);
      this.#pin.keep('all');
    } else {
      this.#keepLastWrites();
    }
    return job;
  }

  /** To be told of a statement in a transaction before it runs: what it leaves on the connection is there for the next call.
   *
   * @throws {SessionStateError} where that is refused. */
  keepFor(lease: Lease<PooledSession>, job: Job): void {
    if (job.kind !== 'operation' || this.#pin.owns(lease)) return;
    if (job.session !== 'keeps' && job.session !== 'may keep') return;
    const mode = this.#parts.mode();
    if (job.session === 'may keep') {
      if (mode === 'pin') this.#pin.adoptUntil(lease, this.#keeps(job));
      return;
    }
    this.#refuse(job, mode);
    if (mode === 'pin') this.#pin.adopt(lease);
  }

  /** Where a job takes its connection: the one that is kept, the writer's, any.
   *
   * @param bound whether it writes, or relies on what was written. */
  poolFor(bound: boolean): Pool<PooledSession> {
    return this.#pin.poolFor(bound) ?? (bound ? this.#pools.writers : this.#pools.readers);
  }

  /** Takes a connection for what writes on it over several statements. */
  lendWriter(limit: CallLimit, takenFor: string): Promise<Lease<PooledSession>> {
    return lend(this.poolFor(true), limit, takenFor);
  }

  /** Takes a connection of which nothing is kept, whatever is pinned.
   *
   * Rejects with a {@link PoolExhaustedError} at once where there can be none. */
  async lendUnkept(limit: CallLimit, takenFor: string): Promise<Lease<PooledSession>> {
    if (this.#parts.isSingle && this.#pin.isHeld) throw this.#pools.readers.keptError(takenFor);
    return await lend(this.#pools.readers, limit, takenFor);
  }

  /** Takes a connection for a read that keeps it a while. */
  lendReader(limit: CallLimit, takenFor: string): Promise<Lease<PooledSession>> {
    const { signal, atMs } = limit;
    return this.#pools.readers.acquire({ signal, deadlineAtMs: atMs, takenFor });
  }

  /** A write runs on this connection: who asks what the last write left is to be lent it. */
  wroteOn(session: PooledSession): void {
    this.#lastWriter = new WeakRef(session);
  }

  /** Whether a connection has or had something on it that is kept. */
  hasKept(session: PooledSession): boolean {
    return this.#pin.hasKept(session);
  }

  /** Ends the lease of a transaction that has ended, or keeps its connection. */
  transactionEnded(lease: Lease<PooledSession>): void {
    if (!this.#pin.offer(lease)) lease.release();
  }

  /** Whether nothing is kept and nobody waits for it. */
  isEmpty(): boolean {
    return this.#pin.isEmpty();
  }

  close(deadlineMs: number): Promise<void> {
    return this.#pin.close(deadlineMs);
  }

  /** A dataset that was seen to rely on its session has one connection from the first call on. */
  #keepWhatIsKnown(): void {
    const scope = this.#parts.known();
    if (scope === 'none' || this.#parts.mode() !== 'pin') return;
    if (scope === 'all') this.#pin.keep('all');
    else this.#keepLastWrites();
  }

  /** What the last write left is to be there for who asks for it. Where there is one connection in all, every call takes it: a read would
   * wait for another in vain. */
  #keepLastWrites(): void {
    if (this.#parts.isSingle) this.#pin.keep('all');
    else if (this.#isOnePool()) this.#pin.keep('writes');
  }

  /** Where writes have a connection of their own, the last one's is found by that. */
  #isOnePool(): boolean {
    return this.#pools.writers === this.#pools.readers;
  }

  /** Whether a statement of which that is not known yet leaves something on its connection. Never rejects. */
  async #keeps(job: OperationJob): Promise<boolean> {
    const use = await this.#parts.facts.learnedUse?.(statementOf(job) ?? '');
    return use !== undefined && keepsSession(use);
  }

  #refuse(job: Job, mode: SessionMode): void {
    if (mode === 'refuse') throw new SessionStateError(this.#fields(nameOf(job)));
  }
}

/** The statement by which a job may leave something on its connection. */
function statementOf({ operation, args }: OperationJob): string | undefined {
  if (operation === 'writeTable') return appendingStatement(args[0], args[2]);
  const [sql] = args;
  const isStatement = operation === 'query' || operation === 'execute';
  return isStatement && typeof sql === 'string' ? sql : undefined;
}

function keepingOf(use: SessionUse): 'keeps' | 'may keep' | undefined {
  if (use === 'pending') return 'may keep';
  return keepsSession(use) ? 'keeps' : undefined;
}

/** A connection for several statements, to whoever has waited longest. */
function lend(
  pool: Pool<PooledSession>,
  limit: CallLimit,
  takenFor: string,
): Promise<Lease<PooledSession>> {
  return pool.acquire({ signal: limit.signal, deadlineAtMs: limit.atMs, takenFor, inTurn: true });
}
