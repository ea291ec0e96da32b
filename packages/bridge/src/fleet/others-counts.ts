import type { Clock } from '@changeover/core';
import type { AskedKey } from '../recorder/asked-key.ts';
import type { StoredKey, StoredMinute } from '../recorder/minute-rows.ts';
import { firstRecentMinute } from '../recorder/recent-book.ts';
import type { StoredReliance } from '../recorder/reliance-rows.ts';
import type { StoredShape } from '../recorder/shape-rows.ts';
import type { StoredCell, StoredTables } from '../recorder/stored-tables.ts';
import { TokenBucket } from '../shadow/budgets.ts';
import type { FleetDatabase } from './fleet-database.ts';
import type { KeysReading, OthersReading } from './fleet-rows.ts';

/** Reading what all others counted, in bytes a second on average: what is left of four KB, and some for the first looks. Most is for keys
 * whose step waits, for which what is not needed to say something is used as well; what is left is for all others, one after the other. */
const waitingBudget = { capacity: 196_608, perSecond: 768 };
const allBudget = { capacity: 65_536, perSecond: 256 };
/** A row that the server adds up for a reader costs it as much as so many bytes that it sends. */
const addedBytes = { timed: 64, plain: 16 };
/** So many keys of all are read at a time. */
const keysInTurn = 20;
/** Of the keys that wait, so many are read at a time, if there are as many: judging takes this process time as well. */
const [fewestAtOnce, mostAtOnce] = [10, 40];
/** What a key takes, until one was read. */
const usualKeyBytes = 4_096;
/** This hour and the one before are what gates ask for apart from all. */
const hoursToldApart = 2;

/** What this process asks with. */
export interface OthersOptions {
  readonly database: FleetDatabase;
  readonly clock: Clock;
  /** The writer, and the first hour whose rows may still change. */
  readonly own: () => { readonly writer: string | undefined; readonly firstHour: number };
  /** Bytes that this process may say and has no use for. */
  readonly spare: { readonly spareBytes: number; spend(bytes: number): void };
  /** Random numbers in [0, 1), so that programs don't all read the same keys first. */
  readonly random: () => number;
}

/**
 * What other processes counted, as this one last read it: key by key, so that a step waits for no more than its own key's rows, and within
 * so many bytes a second.
 */
export class OthersCounts {
  readonly #options: OthersOptions;
  readonly #waiting: TokenBucket;
  readonly #all: TokenBucket;
  readonly #keys = new Map<string, { readonly tables: Rows; readonly round: number }>();
  #others: OthersReading['tables'] | undefined = undefined;
  #minutes: readonly StoredMinute[] = [];
  /** The last key of all that was read in its turn. */
  #last: StoredKey | undefined = undefined;
  #round = 0;
  #keyBytes = usualKeyBytes;

  constructor(options: OthersOptions) {
    this.#options = options;
    this.#waiting = new TokenBucket(options.clock, waitingBudget);
    this.#all = new TokenBucket(options.clock, allBudget);
  }

  /** Undefined before anything was read. */
  get tables(): StoredTables | undefined {
    if (this.#others === undefined && this.#keys.size === 0) return undefined;
    const found = [...this.#keys.values()].map(({ tables }) => tables);
    return {
      ...(this.#others ?? noOthers),
      cells: found.flatMap(({ cells }) => cells),
      shapes: found.flatMap(({ shapes }) => shapes),
      reliance: found.flatMap(({ reliance }) => reliance),
      minutes: () => this.#minutes,
    };
  }

  /** Reads the next keys of all, and what is told of none by itself, unless too much was read lately. True where it did.
   *
   * @throws the driver's error. */
  async readInTurn(): Promise<boolean> {
    if (this.#all.level <= 0) return false;
    const { database } = this.#options;
    const { writer } = this.#options.own();
    const [keys, others] = await Promise.all([
      this.#readKeys([], keysInTurn),
      database.readOthers(writer),
    ]);
    this.#all.spend(bytesOf(keys) + others.length);
    this.#others = others.tables;
    this.#last = keys.last;
    if (keys.last === undefined) this.#endRound();
    return true;
  }

  /** Reads some of the keys whose step waits, unless too much was read lately.
   *
   * @returns those that it read. @throws the driver's error. */
  async readWaiting<Key extends AskedKey>(waiting: readonly Key[]): Promise<readonly Key[]> {
    const level = this.#waiting.level + this.#options.spare.spareBytes;
    const affordable = Math.floor(level / this.#keyBytes);
    if (affordable < Math.min(waiting.length, fewestAtOnce)) return [];
    const keys = this.#some(waiting, Math.min(affordable, mostAtOnce));
    const found = await this.#readKeys(keys, 0);
    const bytes = bytesOf(found);
    this.#keyBytes = Math.max(1, bytes / Math.max(1, keys.length));
    this.#spendWaiting(bytes);
    await this.#readMinutes(keys.filter(({ timed }) => timed));
    return keys;
  }

  async #readKeys(keys: readonly AskedKey[], more: number): Promise<KeysReading> {
    const { database, own } = this.#options;
    const { writer, firstHour } = own();
    const asked = { keys, more, behind: this.#last, hoursToldApart };
    const found = await database.readKeys({ ...asked, own: writer, ownFrom: firstHour });
    for (const [name, tables] of byKey(found)) this.#keys.set(name, { tables, round: this.#round });
    return found;
  }

  async #readMinutes(keys: readonly AskedKey[]): Promise<void> {
    if (keys.length === 0) return;
    const { database, clock } = this.#options;
    const first = firstRecentMinute(clock.wallMs());
    const { rows, length, added } = await database.readRecentMinutes(first, keys);
    this.#spendWaiting(length + added * addedBytes.timed);
    this.#minutes = rows;
  }

  /** What is beyond both is waited for before the next reading. */
  #spendWaiting(bytes: number): void {
    const { spare } = this.#options;
    const others = Math.min(
      spare.spareBytes,
      Math.max(0, bytes - Math.max(0, this.#waiting.level)),
    );
    spare.spend(others);
    this.#waiting.spend(bytes - others);
  }

  /** So many in a row, from any of them on. */
  #some<Key>(keys: readonly Key[], most: number): readonly Key[] {
    if (keys.length <= most) return keys;
    const from = Math.floor(this.#options.random() * keys.length);
    return [...keys.slice(from), ...keys.slice(0, from)].slice(0, most);
  }

  /** What was not in the store any more since the first key's turn is forgotten. */
  #endRound(): void {
    for (const [name, { round }] of this.#keys) if (round < this.#round) this.#keys.delete(name);
    this.#round += 1;
  }
}

const noOthers: OthersReading['tables'] = {
  writers: [],
  groups: [],
  samples: [],
  events: [],
  rules: [],
};

function bytesOf({ length, added: { timed, plain } }: KeysReading): number {
  return length + timed * addedBytes.timed + plain * addedBytes.plain;
}

/** What was read of each key, of which there may be nothing. */
function byKey({ keys, tables }: KeysReading): Map<string, Rows> {
  const found = new Map(keys.map((key) => [nameOf(key), noRows()]));
  for (const row of tables.cells) found.get(nameOf(row))?.cells.push(row);
  for (const row of tables.shapes) found.get(nameOf(row))?.shapes.push(row);
  for (const row of tables.reliance) found.get(nameOf(row))?.reliance.push(row);
  return found;
}

interface Rows {
  readonly cells: StoredCell[];
  readonly shapes: StoredShape[];
  readonly reliance: StoredReliance[];
}

function noRows(): Rows {
  return { cells: [], shapes: [], reliance: [] };
}

function nameOf({ backend, dataset }: StoredKey): string {
  return `${backend}\0${dataset}`;
}
