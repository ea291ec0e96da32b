import { join } from 'node:path';
import { AbortedError, type Engine, InvalidArgumentError, StorageError } from '@changeover/engines';
import {
  connectPostgres,
  type DatasetStore,
  fileStore,
  openSnapshotReader,
  schemaStore,
  type SnapshotReader,
} from '@changeover/engines';
import { Checkpoint, jobDigest } from './checkpoint.ts';
import { ProgressMeter } from './progress-meter.ts';
import { ValueShower } from './show-values.ts';
import { usualSegmentRows } from './side-scan.ts';
import { Throttle, type ThrottleContext } from './throttle.ts';
import {
  type ParsedVerifyOptions,
  parseVerifyOptions,
  type VerifyOptions,
  type VerifySide,
} from './verify-options.ts';
import { verifyTable } from './verify-table.ts';
import {
  type TableResult,
  verdictsByWeight,
  type VerifyResult,
  type VerifyVerdict,
} from './verify-types.ts';

/** What a verification takes from outside; tests bring their own. */
export interface VerifyContext {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly throttle?: ThrottleContext | undefined;
  /** Rows that are read and compared at a time. */
  readonly segmentRows?: number | undefined;
}

/** What `verifyStore` of `start-verify.ts` promises. */
export async function verifyStore(
  options: VerifyOptions = {},
  context: VerifyContext = {},
): Promise<VerifyResult> {
  const parsed = parseVerifyOptions(options, context.env ?? process.env);
  return new StoreVerification(options, parsed, context).run();
}

/** A dataset on either side. */
interface DatasetPlace {
  readonly engine: Engine;
  readonly dataset: string;
  readonly left: boolean;
  readonly right: boolean;
}

class StoreVerification {
  readonly #options: VerifyOptions;
  readonly #parsed: ParsedVerifyOptions;
  readonly #throttle: Throttle;
  readonly #shower: ValueShower;
  readonly #checkpoint: Checkpoint;
  readonly #meter: ProgressMeter;
  readonly #segmentRows: number;
  readonly #results: TableResult[] = [];

  constructor(
    options: VerifyOptions,
    parsed: ParsedVerifyOptions,
    { throttle, segmentRows }: VerifyContext,
  ) {
    this.#options = options;
    this.#parsed = parsed;
    this.#throttle = new Throttle(options, options.signal, throttle);
    this.#segmentRows = segmentRows ?? usualSegmentRows;
    this.#shower = new ValueShower(options.showValues === true);
    const job = {
      engines: parsed.engines,
      dataset: parsed.dataset,
      tables: parsed.tables,
      order: parsed.order,
      by: options.by,
      show: options.showValues,
      segmentRows: this.#segmentRows,
      left: parsed.left.location,
      right: {
        ...parsed.right.location,
        engine: options.against?.engine,
        dataset: options.against?.dataset,
      },
    };
    const file =
      options.stateFile === false
        ? undefined
        : (options.stateFile ?? join(parsed.stateFolder, `verify-${jobDigest(job)}.json`));
    this.#checkpoint = new Checkpoint(file, job, () => performance.now());
    this.#meter = new ProgressMeter(options.onProgress, () => performance.now());
  }

  async run(): Promise<VerifyResult> {
    const startedMs = performance.now();
    if (this.#options.fresh !== true) this.#checkpoint.resume();
    const places = await this.#datasets();
    this.#meter.tablesTotal = places.length;
    for (const place of places) await this.#dataset(place);
    this.#checkpoint.remove();
    return this.#result(Math.round(performance.now() - startedMs));
  }

  #result(durationMs: number): VerifyResult {
    const tables = this.#results;
    const count = (verdict: VerifyVerdict): number =>
      tables.filter((result) => result.verdict === verdict).length;
    const counts = {
      match: count('match'),
      mismatch: count('mismatch'),
      raced: count('raced'),
      inconclusive: count('inconclusive'),
    };
    return {
      // Nothing compared is nothing known.
      verdict: verdictsByWeight.find((verdict) => counts[verdict] > 0) ?? 'inconclusive',
      left: this.#parsed.left.title,
      right: this.#parsed.right.title,
      counts,
      tables,
      rowsRead: this.#meter.rowsRead,
      durationMs,
    };
  }

  async #datasets(): Promise<readonly DatasetPlace[]> {
    const { engines, left, right, dataset, bothLegs } = this.#parsed;
    const places: DatasetPlace[] = [];
    for (const engine of engines) {
      const names = new Set(await listDatasets(left, engine));
      const others = bothLegs ? names : new Set(await listDatasets(right, right.engine(engine)));
      if (dataset !== undefined) {
        places.push({
          engine,
          dataset,
          left: names.has(dataset),
          right: others.has(right.dataset(dataset)),
        });
      } else {
        for (const name of [...new Set([...names, ...others])].sort()) {
          places.push({ engine, dataset: name, left: names.has(name), right: others.has(name) });
        }
      }
    }
    const there = places.filter((place) => place.left || place.right);
    if (there.length > 0) return there;
    throw new InvalidArgumentError(
      dataset === undefined
        ? 'There is no dataset to verify.'
        : `Dataset ${JSON.stringify(dataset)} is on neither side. Check its name, --base-path and DATABASE_URL.`,
    );
  }

  async #dataset(place: DatasetPlace): Promise<void> {
    throwIfStopped(this.#options.signal);
    const { engine, dataset } = place;
    if (!place.left || !place.right) {
      this.#add(alone(place));
      this.#meter.tablesDone += 1;
      return;
    }
    let readers: readonly [SnapshotReader, SnapshotReader];
    try {
      readers = await this.#open(place);
    } catch (error) {
      if (isLost(error) && this.#parsed.dataset !== undefined) throw error;
      this.#add(this.#unread({ engine, dataset, table: undefined }, error));
      this.#meter.tablesDone += 1;
      return;
    }
    const cancel = (): void => {
      for (const reader of readers) void reader.cancel();
    };
    this.#options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      await this.#tables(place, readers);
    } catch (error) {
      throw this.#options.signal?.aborted === true ? stopped(error) : error;
    } finally {
      this.#options.signal?.removeEventListener('abort', cancel);
      for (const reader of readers) await reader.close();
    }
  }

  async #open({
    engine,
    dataset,
  }: DatasetPlace): Promise<readonly [SnapshotReader, SnapshotReader]> {
    const { left, right, bothLegs } = this.#parsed;
    const { duckdb } = this.#options;
    const first = await openSnapshotReader({
      engine,
      dataset,
      location: left.location,
      form: bothLegs ? 'objects' : 'cells',
      duckdb,
    });
    try {
      return [
        first,
        await openSnapshotReader({
          engine: right.engine(engine),
          dataset: right.dataset(dataset),
          location: right.location,
          form: 'cells',
          duckdb,
        }),
      ];
    } catch (error) {
      await first.close();
      throw error;
    }
  }

  async #tables(
    { engine, dataset }: DatasetPlace,
    readers: readonly [SnapshotReader, SnapshotReader],
  ): Promise<void> {
    const [lefts, rights] = [await readers[0].tables(), await readers[1].tables()];
    const { tables } = this.#parsed;
    const wanted = (name: string): boolean => tables === undefined || tables.includes(name);
    const names = [...new Set([...lefts, ...rights])].filter(wanted).sort();
    const missing = tables?.find((name) => !names.includes(name));
    if (missing !== undefined) {
      throw new InvalidArgumentError(
        `Table ${JSON.stringify(missing)} is in dataset ${JSON.stringify(dataset)} on neither side.`,
      );
    }
    this.#meter.tablesTotal += names.length - 1;
    for (const table of names) {
      const known = this.#checkpoint.done({ engine, dataset, table });
      if (known !== undefined) this.#results.push(known);
      else if (lefts.includes(table) && rights.includes(table))
        this.#add(await this.#table(engine, dataset, table, readers));
      else this.#add(aloneTable(engine, dataset, table, lefts.includes(table), this.#parsed.order));
      this.#meter.tablesDone += 1;
    }
    if (names.length === 0) this.#meter.tablesDone += 1;
    if (names.length === 0)
      this.#results.push({
        ...emptyResult(engine, dataset),
        verdict: 'match',
        reason: 'no table on either side',
      });
  }

  async #table(
    engine: Engine,
    dataset: string,
    table: string,
    readers: readonly [SnapshotReader, SnapshotReader],
  ): Promise<TableResult> {
    const place = { engine, dataset, table };
    this.#meter.begin(place);
    try {
      return await verifyTable({
        ...place,
        readers,
        oneStore: this.#parsed.bothLegs,
        by: this.#parsed.by(engine),
        order: this.#parsed.order,
        shower: this.#shower,
        segmentRows: this.#segmentRows,
        nowMs: () => performance.now(),
        wallMs: () => Date.now(),
        stored: this.#checkpoint.scans(place),
        store: (scans, now) => {
          this.#checkpoint.keep(place, scans, now);
        },
        between: async (phase, rows, totalRows, read) => {
          this.#meter.report(phase, rows, totalRows, read);
          await this.#throttle.between((why) => {
            this.#meter.report(phase, rows, totalRows, 0, why);
          });
        },
      });
    } catch (error) {
      if (this.#options.signal?.aborted === true) throw stopped(error);
      return this.#unread(place, error);
    }
  }

  #unread(
    { engine, dataset, table }: Pick<TableResult, 'engine' | 'dataset' | 'table'>,
    error: unknown,
  ): TableResult {
    return {
      ...emptyResult(engine, dataset),
      table,
      verdict: 'inconclusive',
      reason: this.#shower.reason(error),
    };
  }

  #add(result: TableResult): void {
    this.#results.push(result);
    this.#checkpoint.add(result);
  }
}

function isLost(error: unknown): boolean {
  return (
    error instanceof StorageError &&
    (error.code === 'CONNECTION_FAILED' || error.code === 'DATASET_NOT_FOUND')
  );
}

function stopped(cause: unknown): AbortedError {
  return cause instanceof AbortedError
    ? cause
    : new AbortedError(
        'The verification was stopped. Begun again with the same options, it goes on from here.',
        { cause },
      );
}

function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw stopped(signal.reason);
}

function emptyResult(engine: Engine, dataset: string): Omit<TableResult, 'verdict'> {
  return {
    engine,
    dataset,
    table: undefined,
    rows: { left: 0, right: 0 },
    durationMs: 0,
    at: new Date().toISOString(),
    compared: { by: 'nothing', snapshot: 'apart', order: false, resumed: false },
  };
}

function alone({ engine, dataset, left }: DatasetPlace): TableResult {
  const kind = left ? 'missing-dataset' : 'extra-dataset';
  return {
    ...emptyResult(engine, dataset),
    verdict: 'mismatch',
    difference: wholeDifference(kind),
  };
}

function aloneTable(
  engine: Engine,
  dataset: string,
  table: string,
  left: boolean,
  order: boolean,
): TableResult {
  const empty = emptyResult(engine, dataset);
  const difference = wholeDifference(left ? 'missing-table' : 'extra-table');
  return {
    ...empty,
    table,
    compared: { ...empty.compared, order },
    verdict: 'mismatch',
    difference,
  };
}

function wholeDifference(
  kind: 'missing-dataset' | 'extra-dataset' | 'missing-table' | 'extra-table',
): TableResult['difference'] {
  return { class: kind, columns: [], rows: { left: 0, right: 0 }, complete: true, samples: [] };
}

async function listDatasets({ location }: VerifySide, engine: Engine): Promise<readonly string[]> {
  if (engine !== 'postgresql') return fileStore(engine, location).list();
  const { databaseUrl } = location;
  if (databaseUrl === undefined) {
    throw new InvalidArgumentError(
      'No PostgreSQL server is configured: set DATABASE_URL, or pass databaseUrl.',
    );
  }
  const session = await connectPostgres({ url: databaseUrl });
  try {
    const store: DatasetStore = schemaStore((program) => session.run(program));
    return await store.list();
  } finally {
    await session.close();
  }
}
