import { type Engine, StatementError, type StorageErrorFields } from '@changeover/engines/api';
import type { Admission, PoolBreaker } from '../pool/pool-breaker.ts';
import { CircuitOpenError } from '../pool/pool-errors.ts';
import type { PoolStats } from '../pool/pool-stats.ts';
import type { PooledSession } from '../pooled-session.ts';
import { isLackOfConnection } from './retry-policy.ts';

/** What admissions go by. */
export interface AdmissionsParts {
  readonly engine: Engine;
  readonly breaker: PoolBreaker;
  /** Of the pool that the breaker is for, told to a caller that is not let through. */
  readonly stats: () => PoolStats;
}

/** Lets attempts through one dataset's circuit breaker, and tells the breaker how each of them ended. */
export class Admissions {
  readonly #parts: AdmissionsParts;
  readonly #lost = new WeakSet<PooledSession>();
  /** The last failure for want of a connection: why the breaker is open, if it is. */
  #lastLack: unknown;

  constructor(parts: AdmissionsParts) {
    this.#parts = parts;
  }

  /** @throws {CircuitOpenError} where the breaker lets nobody through. */
  admit(fields: StorageErrorFields): Admission {
    const { breaker, stats } = this.#parts;
    const admission = breaker.admit();
    if (!admission.admitted)
      throw new CircuitOpenError(stats(), { ...fields, cause: this.#lastLack });
    return admission;
  }

  succeeded(admission: Admission): void {
    this.#parts.breaker.succeeded(admission);
    this.#lastLack = undefined;
  }

  /**
   * @param session the connection that it was tried on, if it came to that.
   * @returns whether that connection's loss was reported by another call before: one loss, one failure.
   */
  failed(admission: Admission, error: unknown, session: PooledSession | undefined): boolean {
    const { engine, breaker } = this.#parts;
    if (!isLackOfConnection(engine, error)) {
      // What the engine refused it has answered.
      if (error instanceof StatementError) breaker.succeeded(admission);
      else breaker.ended(admission);
      return false;
    }
    this.#lastLack = error;
    const isKnown = session !== undefined && this.#lost.has(session);
    if (session !== undefined) this.#lost.add(session);
    if (isKnown) breaker.ended(admission);
    else breaker.failed(admission);
    return isKnown;
  }
}
