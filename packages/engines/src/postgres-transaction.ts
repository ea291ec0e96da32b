import { StatementError } from './api/storage-errors.ts';
import { classifyError } from './errors.ts';
import type { PostgresSender } from './postgres-sender.ts';
import type { PostgresSettings } from './postgres-settings.ts';
import { beginText } from './postgres-connection-facts.ts';
import { checkDeferred, type PooledTraces } from './postgres-traces.ts';
import type { TransactionStep } from './program.ts';
import type { TransactionState } from './session.ts';

const ofOneState = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ';

/** The transactions of programs on one connection. */
export class PostgresTransaction {
  readonly #sender: PostgresSender;
  readonly #local: () => PostgresSettings | undefined;
  readonly #traces: PooledTraces;
  #begun = false;
  #snapshot = false;
  #committing = false;

  /** @param local what each transaction sets, where single statements have one as well; undefined where they don't. */
  constructor(
    sender: PostgresSender,
    local: () => PostgresSettings | undefined,
    traces: PooledTraces,
  ) {
    this.#sender = sender;
    this.#local = local;
    this.#traces = traces;
  }

  /** Whether a program has begun one. */
  get isOpen(): boolean {
    return this.#begun;
  }

  /** Whether it only reads, in one state: it may fail by a statement, whose caller is then answered anew. */
  get isSnapshot(): boolean {
    return this.#begun && this.#snapshot;
  }

  get state(): TransactionState {
    if (this.#committing) return 'committing';
    // A single statement's is nobody's state.
    if (!this.#begun && this.#local() !== undefined) return 'none';
    switch (this.#sender.transactionStatus) {
      case 'T':
        return 'open';
      case 'E':
        return 'failed';
      default:
        return 'none';
    }
  }

  async control(step: TransactionStep): Promise<void> {
    switch (step.kind) {
      case 'begin':
        await this.#begin(step);
        break;
      case 'commit':
        await this.#commit();
        break;
      case 'rollback':
        if (this.state !== 'none') await this.#sender.simple(this.#traces.ending('ROLLBACK'));
        this.#begun = false;
        break;
      case 'savepoint':
        await this.#sender.simple('SAVEPOINT _changeover');
        break;
      case 'release':
        await this.#sender.simple('RELEASE SAVEPOINT _changeover');
        break;
      case 'rollbackToSavepoint':
        await this.#sender.simple(
          'ROLLBACK TO SAVEPOINT _changeover; RELEASE SAVEPOINT _changeover',
        );
        break;
    }
  }

  async #begin({ readOnly = false, snapshot = false }: TransactionStep): Promise<void> {
    const local = this.#local();
    const level = snapshot ? 'ISOLATION LEVEL REPEATABLE READ, ' : '';
    const text =
      local === undefined
        ? `BEGIN ${level}READ ${readOnly ? 'ONLY' : 'WRITE'}`
        : beginText(local, readOnly ? 'read' : 'write') + (snapshot ? `; ${ofOneState}` : '');
    this.#begun = true;
    this.#snapshot = snapshot;
    this.#traces.begin();
    try {
      await this.#sender.simple(text);
    } catch (error) {
      if (this.state !== 'none') await this.#sender.simple('ROLLBACK').catch(() => undefined);
      this.#begun = false;
      throw error;
    }
  }

  /** What is deferred to the end runs before it: see {@link checkDeferred}. */
  async #checkDeferred(): Promise<void> {
    try {
      await this.#sender.simple(checkDeferred);
    } catch (error) {
      if (classifyError('postgresql', error) !== 'connection') {
        await this.#sender.simple(this.#traces.ending('ROLLBACK')).catch(() => undefined);
        this.#begun = false;
      }
      throw error;
    }
  }

  async #commit(): Promise<void> {
    if (this.#traces.mayHaveLeft && this.state === 'open') await this.#checkDeferred();
    this.#committing = true;
    try {
      const { command } = await this.#sender.simple(this.#traces.ending('COMMIT'));
      this.#committing = false;
      this.#begun = false;
      if (command === 'ROLLBACK') {
        throw new StatementError(
          'A statement of the transaction had failed, so PostgreSQL rolled all of it back.',
          { engine: 'postgresql' },
        );
      }
    } catch (error) {
      // Where the connection was lost, nobody knows: the state says so from now on.
      if (classifyError('postgresql', error) !== 'connection') {
        this.#committing = false;
        this.#begun = false;
      }
      throw error;
    }
  }
}

/** A transaction that was to write was refused by a server that follows another: "cannot set transaction read-write mode during
 * recovery". */
export function isRecoveryRefusal(error: unknown): boolean {
  const { code, routine } = error as { code?: unknown; routine?: unknown };
  // Before PostgreSQL 16 it had the other name.
  return (
    code === '0A000' &&
    (routine === 'check_transaction_read_only' || routine === 'check_XactReadOnly')
  );
}
