import { ClosedError, type Engine } from '@changeover/engines/api';
import type { EngineDriver } from '../engine-parts.ts';
import { PoolClosedError } from '../pool/pool-errors.ts';
import type { PooledDataset } from './pooled-dataset.ts';

/** How long closing may take that nobody gave a deadline for. */
const drainMs = 30_000;

/** One engine's datasets that have pools: made on first use, forgotten when they are empty, closed while something is done to them. */
export class OpenDatasets {
  readonly #engine: Engine;
  readonly #driver: EngineDriver;
  readonly #pools = new Map<string, PooledDataset>();
  /** Datasets whose pools are being closed: new calls wait, so that nothing opens what is being removed. */
  readonly #gates = new Map<string, Promise<void>>();
  #closed = false;

  constructor(driver: EngineDriver) {
    this.#engine = driver.setting.engine;
    this.#driver = driver;
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return this.#closed;
  }

  /** A dataset's pools, if it has any and no call has to wait for something. */
  ready(dataset: string): PooledDataset | undefined {
    return this.#closed || this.#gates.size > 0 ? undefined : this.#pools.get(dataset);
  }

  /** A dataset's pools, if it has any. */
  get(dataset: string): PooledDataset | undefined {
    return this.#pools.get(dataset);
  }

  /** Whether calls to a dataset wait until whoever closed it is done. */
  isClosing(dataset: string): boolean {
    return this.#gates.has(dataset);
  }

  all(): PooledDataset[] {
    return [...this.#pools.values()];
  }

  names(): string[] {
    return [...this.#pools.keys()];
  }

  /**
   * Runs work on a dataset's pools. The look-up and the call's entry into the pool are one tick, so that the pools are not forgotten
   * in between.
   *
   * @throws {ClosedError} once closed.
   */
  async use<Value>(
    dataset: string,
    work: (pools: PooledDataset) => Promise<Value>,
  ): Promise<Value> {
    for (;;) {
      while (this.#gates.has(dataset)) await this.#gates.get(dataset);
      this.checkOpen();
      try {
        return await work(this.#poolsOf(dataset));
      } catch (error) {
        // It waited for a connection of pools that were closed to be opened again: nothing of it was run.
        if (!(error instanceof PoolClosedError) || this.#closed) throw error;
      }
    }
  }

  /** What a dataset's connection for reads on the spot says of commits; undefined where none can be opened for it. See `Leg.state`. */
  look(dataset: string): Promise<string | undefined> {
    return this.#told(dataset, (pools) => pools.look());
  }

  /** As {@link look}, how far its writes have come. See `ShadowLeg.mark`. */
  mark(dataset: string): Promise<string | undefined> {
    return this.#told(dataset, (pools) => pools.mark());
  }

  async #told(
    dataset: string,
    tell: (pools: PooledDataset) => string | undefined,
  ): Promise<string | undefined> {
    while (this.#gates.has(dataset)) await this.#gates.get(dataset);
    if (this.#closed) return undefined;
    const pools = this.#poolsOf(dataset);
    const token = tell(pools);
    // Nothing was opened where it can't be told.
    if (token === undefined) this.#forgetIfEmpty(dataset, pools);
    return token;
  }

  /** Runs work once nothing keeps the dataset closed. */
  async ungated<Value>(dataset: string, work: () => Promise<Value>): Promise<Value> {
    while (this.#gates.has(dataset)) await this.#gates.get(dataset);
    return await work();
  }

  /** Closes what is open of a dataset, and lets calls to it wait while `work` runs.
   *
   * @param onClosing called when it begins: connections that are lent by then have to come back first. */
  closedWhile<Value>(
    dataset: string,
    work: () => Promise<Value>,
    onClosing?: () => void,
  ): Promise<Value> {
    return this.#gated(dataset, async () => {
      onClosing?.();
      await this.#closeDataset(dataset, drainMs);
      return await work();
    });
  }

  /** Takes no more calls and closes everything within `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all(this.all().map((pools) => pools.close(deadlineMs)));
    this.#pools.clear();
  }

  /** @throws {ClosedError} once closed. */
  checkOpen(): void {
    if (this.#closed)
      throw new ClosedError('The factory is closed and takes no more calls.', {
        engine: this.#engine,
      });
  }

  #poolsOf(dataset: string): PooledDataset {
    let pools = this.#pools.get(dataset);
    if (pools === undefined) {
      const made = this.#driver.open(dataset, () => {
        this.#forgetIfEmpty(dataset, made);
      });
      pools = made;
      this.#pools.set(dataset, made);
    }
    return pools;
  }

  #forgetIfEmpty(dataset: string, pools: PooledDataset): void {
    // Told in the middle of a release: who was served by it may still come back with another call.
    queueMicrotask(() => {
      if (this.#pools.get(dataset) === pools && !pools.closed && pools.isEmpty())
        this.#pools.delete(dataset);
    });
  }

  async #closeDataset(dataset: string, deadlineMs: number): Promise<void> {
    const pools = this.#pools.get(dataset);
    if (pools === undefined) return;
    await pools.answered(deadlineMs);
    await pools.close(deadlineMs);
    if (this.#pools.get(dataset) === pools) this.#pools.delete(dataset);
  }

  /** Keeps new calls to a dataset waiting while something is done to it. One at a time. */
  async #gated<Value>(dataset: string, work: () => Promise<Value>): Promise<Value> {
    while (this.#gates.has(dataset)) await this.#gates.get(dataset);
    const done = work();
    const gate = done
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#gates.delete(dataset);
      });
    this.#gates.set(dataset, gate);
    await gate;
    return await done;
  }
}
