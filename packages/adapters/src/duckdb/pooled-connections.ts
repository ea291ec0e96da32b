import { NotComparableError } from '@changeover/core';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { HandleSettings } from './handle-settings.ts';
import { Line, type LineParts } from './line.ts';
import type { Statement } from './statement.ts';

/** What pooled connections are made with. */
export interface PooledConnectionsOptions {
  readonly connect: () => Promise<DuckDBConnection>;
  readonly settings: HandleSettings;
  readonly max: number;
}

/** The connections that plain reads and comparisons share, each used for one of them at a time, and all others that were opened. */
export class PooledConnections {
  readonly #options: PooledConnectionsOptions;
  readonly #unavailable = new WeakSet();
  /** All that were opened for statements, to be closed with the handle. */
  readonly #lines: Line[] = [];
  readonly #free: Line[] = [];
  readonly #waiting: ((line: Line) => void)[] = [];
  /** Those that run callers' reads. */
  readonly #answering = new Set<Line>();
  #shared = 0;
  #isClosed = false;

  constructor(options: PooledConnectionsOptions) {
    this.#options = options;
  }

  /** Whether a comparison can have a connection without making a caller wait. */
  get hasRoom(): boolean {
    if (this.#isClosed || this.#waiting.length > 0) return false;
    return this.#free.length > 0 || this.#shared < this.#options.max;
  }

  /** The connections that run callers' reads now. */
  get answering(): Iterable<DuckDBConnection> {
    return [...this.#answering].map(({ connection }) => connection);
  }

  /** True for the error of a connection that was not to be had: nothing was run. */
  isUnavailable(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#unavailable.has(error);
  }

  /** Opens a connection for whoever closes it. */
  async connect(): Promise<DuckDBConnection> {
    try {
      const connection = await this.#options.connect();
      if (!this.#isClosed) return connection;
      connection.closeSync();
      throw new Error('Failed to connect: connection disconnected');
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.#unavailable.add(error);
      throw error;
    }
  }

  /** Opens a connection for statements, which is closed with the handle. */
  async open(told: Pick<LineParts, 'changed' | 'schemaChanged'> = {}): Promise<Line> {
    const connection = await this.connect();
    const { settings } = this.#options;
    const line = new Line({ ...told, leg: 'pooled', connection, settings, inTurn: true }, 0);
    this.#lines.push(line);
    return line;
  }

  /** Runs a plain read on any connection. */
  async run(statement: Statement, values: unknown): Promise<unknown> {
    const line = await this.#lease();
    this.#answering.add(line);
    try {
      return await line.run(statement, values);
    } finally {
      this.#answering.delete(line);
      this.#release(line);
    }
  }

  /**
   * Runs a statement again for comparison. Interrupted when the signal is aborted first.
   *
   * @throws {NotComparableError} where the handle was closed meanwhile, or set since.
   */
  async again(statement: Statement, values: unknown, signal: AbortSignal): Promise<unknown> {
    const line = await this.#lease();
    const interrupt = (): void => {
      if (!this.#isClosed) line.connection.interrupt();
    };
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      signal.throwIfAborted();
      return await line.again(statement, values);
    } catch (error) {
      if (this.#isClosed) throw new NotComparableError('the handle was closed', { cause: error });
      throw error;
    } finally {
      signal.removeEventListener('abort', interrupt);
      this.#release(line);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const line of this.#lines) void line.close();
  }

  async #lease(): Promise<Line> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#shared >= this.#options.max)
      return new Promise((resolve) => {
        this.#waiting.push(resolve);
      });
    this.#shared += 1;
    try {
      return await this.open();
    } catch (error) {
      this.#shared -= 1;
      throw error;
    }
  }

  #release(line: Line): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(line);
    else next(line);
  }
}
