import {
  type Engine,
  InvalidArgumentError,
  type StorageSession,
  type StorageTransaction,
} from '@changeover/engines/api';
import { datasetPrograms, type DatasetPrograms } from '@changeover/engines';
import type { Connection } from './connection.ts';
import { LegacyTransaction } from './legacy-transaction.ts';

/** A session while `work` runs: calls that commit by themselves on one connection, but for those of a transaction in it. */
export class LegacySession extends LegacyTransaction implements StorageSession {
  readonly #own: DatasetPrograms;
  readonly #inside: DatasetPrograms;
  #inner: Promise<unknown> | undefined;
  #inTransaction = false;

  constructor(engine: Engine, dataset: string, connection: Connection) {
    super(engine, dataset, connection);
    this.#own = datasetPrograms({ engine, dataset, inSession: true });
    this.#inside = datasetPrograms({ engine, dataset, inSession: true, transaction: 'savepoint' });
  }

  protected override get programs(): DatasetPrograms {
    return this.#inTransaction ? this.#inside : this.#own;
  }

  protected override get what(): 'transaction' | 'session' {
    return 'session';
  }

  async transaction<T>(work: (transaction: StorageTransaction) => Promise<T> | T): Promise<T> {
    if (typeof work !== 'function') {
      throw new InvalidArgumentError(
        'transaction takes a function that is given the transaction.',
        { dataset: this.dataset },
      );
    }
    if (this.#inner !== undefined) {
      throw new InvalidArgumentError(
        'A transaction can not be begun inside a transaction of the same session.',
        { dataset: this.dataset },
      );
    }
    const inner = this.#transacted(work);
    this.#inner = inner;
    try {
      return await inner;
    } finally {
      this.#inner = undefined;
    }
  }

  override async end(): Promise<void> {
    await this.#inner?.catch(() => undefined);
    await super.end();
  }

  async #transacted<T>(work: (transaction: StorageTransaction) => Promise<T> | T): Promise<T> {
    await this.#control('begin');
    let value: T;
    try {
      value = await work(this);
      await this.calls();
    } catch (error) {
      await this.calls();
      await this.#control('rollback').catch(() => undefined);
      throw error;
    }
    try {
      await this.#control('commit');
    } catch (error) {
      await this.#control('rollback').catch(() => undefined);
      throw error;
    }
    return value;
  }

  #control(kind: 'begin' | 'commit' | 'rollback'): Promise<void> {
    return this.enqueue(async () => {
      await this.connection.run(
        (function* () {
          yield { kind } as const;
        })(),
      );
      this.#inTransaction = kind === 'begin';
    });
  }
}
