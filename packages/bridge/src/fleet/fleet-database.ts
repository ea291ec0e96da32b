import { ChangeoverError, loadInstalled, systemClock } from '@changeover/core';
import type pg from 'pg';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from '../log.ts';
import type { StoredKey, StoredMinute } from '../recorder/minute-rows.ts';
import {
  minutesInSteps,
  type MinutesReading,
  minutesQuery,
  type MinutesRow,
  recentMinutesQuery,
} from './fleet-minutes.ts';
import { checkSchema, prepareStore } from './fleet-schema.ts';
import {
  keysInSteps,
  type KeysReading,
  othersInSteps,
  type OthersReading,
  type ReadRow,
} from './fleet-rows.ts';
import type { StoredName, StoredNames } from '../recorder/stored-names.ts';
import type { StoredEvent, StoredTables, StoredWriter } from '../recorder/stored-tables.ts';
import { inTurns } from '../steps.ts';
import { foldedWriter, shownHours } from './fleet-read.ts';

/** A server that hangs must not hold a review of the ledger, or a person's command, for longer. */
const answerTimeoutMs = 3_000;
/** Reading all of a large fleet takes longer than one exchange, and nobody waits for it but a command. */
const readTimeoutMs = 60_000;

/** Keys whose rows a reader of all gets by one statement. */
const keysAtOnce = 50;

/** Whose rows are read. */
export interface KeysAsked {
  /** The writer that reads, whose rows from an hour on come one by one. Default: none of them; all of its hours. */
  readonly own?: string | undefined;
  readonly ownFrom?: number | undefined;
  /** Those before are added up. Default: as many as are shown. */
  readonly hoursToldApart?: number | undefined;
  /** Those that are read, and whether with their latencies. Default: none. */
  readonly keys?: readonly (StoredKey & { readonly timed: boolean })[] | undefined;
  /** So many are read as well, the first ones behind another. Default: none; from the first one on. */
  readonly more?: number | undefined;
  readonly behind?: StoredKey | undefined;
  /** Whether the store adds up histograms as well, which takes most of its time. Default: true. */
  readonly adds?: boolean | undefined;
}

/** The shared store as a database: its connections, its schema, its two functions. Opened at the first use. */
export class FleetDatabase {
  readonly schema: string;
  readonly url: string;
  readonly #logger: Logger;
  #pool: Pool | undefined = undefined;
  #prepared: Promise<void> | undefined = undefined;

  /** @param schema made where there is none; it must be a plain name. */
  constructor(url: string, logger: Logger, schema = 'changeover') {
    checkSchema(schema);
    this.schema = schema;
    this.url = url;
    this.#logger = logger;
  }

  /** One statement, within three seconds.
   *
   * @throws the driver's error. */
  async query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
    await this.#prepare();
    try {
      return await this.#opened().query(text, values);
    } catch (error) {
      // Somebody dropped the database and made it again, or put back an empty one: the next use makes the store anew.
      if (isStoreMissing(error)) this.#prepared = undefined;
      throw error;
    }
  }

  /** Says `message` and gives the answer: see `exchange_1`. */
  async exchange(message: string): Promise<unknown> {
    const { rows } = await this.query(`select ${this.schema}.exchange_1($1) a`, [message]);
    return (rows[0] as { a: unknown }).a;
  }

  /** Adds up some rows that are final: see `fold_cells_1`.
   *
   * @returns how many; undefined where somebody else is at it. @throws the driver's error. */
  async foldCells(): Promise<number | undefined> {
    const { rows } = await this.query(`select ${this.schema}.fold_cells_1()::int as n`);
    return (rows[0] as { n: number | null }).n ?? undefined;
  }

  /** All that is stored, what all processes counted added up: some keys at a time, since neither the server nor this process need have
   * all of a large store in memory.
   *
   * @throws the driver's error. */
  async readAll(): Promise<StoredTables> {
    const others = this.readOthers();
    const found: KeysReading['tables'][] = [];
    try {
      for (let last: StoredKey | undefined = beforeAll; last !== undefined;) {
        const read: KeysReading = await this.readNext(last);
        last = read.last;
        found.push(read.tables);
      }
    } catch (error) {
      others.catch(() => undefined);
      throw error;
    }
    return {
      ...(await others).tables,
      cells: found.flatMap(({ cells }) => [...cells]),
      hours: found.flatMap(({ hours = [] }) => [...hours]),
      shapes: found.flatMap(({ shapes }) => [...shapes]),
      reliance: found.flatMap(({ reliance }) => [...reliance]),
    };
  }

  /** What all processes counted of the next keys behind another, and by the hour, as people see it.
   *
   * @throws the driver's error. */
  async readNext(behind: StoredKey): Promise<KeysReading> {
    const rows = await this.#readRows<ReadRow>(
      `select * from ${this.schema}.read_all_1($1, $2)`,
      [keyList(behind), keysAtOnce],
      'array',
    );
    return await inTurns(systemClock, keysInSteps(rows));
  }

  /** Counts of all keys without latencies, and of no shapes: a tenth of the time that all takes.
   *
   * @throws the driver's error. */
  async readCounts(): Promise<StoredTables> {
    const text = `select * from ${this.schema}.read_counts_1()`;
    const [rows, others] = await Promise.all([
      this.#readRows<ReadRow>(text, [], 'array'),
      this.readOthers(),
    ]);
    return { ...others.tables, ...(await inTurns(systemClock, keysInSteps(rows))).tables };
  }

  /** What all processes counted of some keys, at one moment.
   *
   * @throws the driver's error. */
  async readKeys(asked: KeysAsked): Promise<KeysReading> {
    const {
      own,
      ownFrom = 0,
      hoursToldApart: told = shownHours,
      keys = [],
      behind = beforeAll,
      more = 0,
      adds = true,
    } = asked;
    const names = keys.map(({ backend, dataset, timed }) => [backend, dataset, timed]);
    const rows = await this.#readRows<ReadRow>(
      `select * from ${this.schema}.read_keys_1($1, $2, $3, $4, $5, $6, $7)`,
      [own, ownFrom, told, adds, JSON.stringify(names), keyList(behind), more],
      'array',
    );
    return await inTurns(systemClock, keysInSteps(rows));
  }

  /** What is told of no key by itself. @param own the writer that reads. Default: none of them.
   *
   * @throws the driver's error. */
  async readOthers(own?: string): Promise<OthersReading> {
    const text = `select * from ${this.schema}.read_others_1($1)`;
    const rows = await this.#readRows<ReadRow>(text, [own], 'array');
    return await inTurns(systemClock, othersInSteps(rows));
  }

  /** Who was called, with no count of it. The last that happened of each kind is told, and no more.
   *
   * @throws the driver's error. */
  async readNames(): Promise<StoredNames> {
    const { schema } = this;
    const [writers, keys, events] = await Promise.all(
      [
        `select writer, run, host, pid, node, started_at::float8, last_at::float8 from ${schema}.writer where writer <> '${foldedWriter}'`,
        `select distinct backend, dataset from ${schema}.cell where not folded`,
        `select distinct on (kind) writer, at::float8, kind, fields from ${schema}.event order by kind, at desc`,
      ].map((text) => this.query(text)),
    );
    return {
      writers: writers?.rows as StoredWriter[],
      keys: keys?.rows as StoredName[],
      events: events?.rows as StoredEvent[],
    };
  }

  /** What all processes counted by key and minute, from a minute since 1970 on.
   *
   * @throws the driver's error. */
  async readMinutes(first: number): Promise<readonly StoredMinute[]> {
    const rows = await this.#readRows<MinutesRow>(minutesQuery(this.schema), [first]);
    return (await inTurns(systemClock, minutesInSteps(rows))).rows;
  }

  /** The same of some keys alone, for a program that asks again and again.
   *
   * @throws the driver's error. */
  async readRecentMinutes(first: number, keys: readonly StoredKey[]): Promise<MinutesReading> {
    const asked = JSON.stringify(keys.map(({ backend, dataset }) => [backend, dataset]));
    const rows = await this.#readRows<MinutesRow>(recentMinutesQuery(this.schema), [first, asked]);
    return await inTurns(systemClock, minutesInSteps(rows));
  }

  /** `query_timeout` of one query is known to the driver and not to its types. */
  async #readRows<Row>(
    text: string,
    values: readonly unknown[],
    rowMode?: 'array',
  ): Promise<readonly Row[]> {
    await this.#prepare();
    const query = {
      text,
      values: [...values],
      query_timeout: readTimeoutMs,
      ...(rowMode === undefined ? {} : { rowMode }),
    };
    const { rows } = await this.#opened().query(query as { text: string; values: unknown[] });
    return rows as Row[];
  }

  /** For the time of `use`, in one transaction on one connection. */
  async transaction<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    await this.#prepare();
    const client = await this.#opened().connect();
    let failure: Error | undefined;
    try {
      await client.query('begin');
      const result = await use(client);
      await client.query('commit');
      return result;
    } catch (error) {
      // Ending the connection rolls back, whatever state it is in.
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      client.release(failure);
    }
  }

  async close(): Promise<void> {
    await this.#pool?.end();
    this.#pool = undefined;
  }

  /** Once; tried again at the next use where it failed. */
  #prepare(): Promise<void> {
    this.#prepared ??= prepareStore((text) => this.#opened().query(text), this.schema).catch(
      (error: unknown) => {
        this.#prepared = undefined;
        throw error;
      },
    );
    return this.#prepared;
  }

  #opened(): Pool {
    if (this.#pool !== undefined) return this.#pool;
    // Connections of its own: the store must be reachable where a backend's pools are exhausted.
    this.#pool = new (driver().Pool)({
      connectionString: this.url,
      max: 2,
      application_name: 'changeover',
      allowExitOnIdle: true,
      keepAlive: true,
      connectionTimeoutMillis: answerTimeoutMs,
      query_timeout: answerTimeoutMs,
    });
    // The next query opens another one, and says so if it can't.
    this.#pool.on('error', (error) => {
      this.#logger.debug({ err: error }, 'an idle connection to the store ended');
    });
    return this.#pool;
  }
}

/** What a reader of all begins behind. */
export const beforeAll: StoredKey = { backend: '', dataset: '' };

function keyList({ backend, dataset }: StoredKey): string {
  return JSON.stringify([backend, dataset]);
}

/** No such schema, function or table. */
const missing: ReadonlySet<unknown> = new Set(['3F000', '42883', '42P01']);

function isStoreMissing(error: unknown): boolean {
  return missing.has((error as { code?: unknown } | null)?.code);
}

/** Loaded at the first use, because most stores are a file. */
function driver(): typeof pg {
  try {
    return loadInstalled('pg', import.meta.url) as typeof pg;
  } catch (error) {
    throw new ChangeoverError(
      'DRIVER_MISSING',
      'Cannot find the driver of the store, which is a postgres:// URL. Install it: npm install pg',
      { cause: error },
    );
  }
}
