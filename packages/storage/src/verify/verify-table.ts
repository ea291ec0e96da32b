import type { ValuePolicy } from '@changeover/compare';
import { valuePolicies } from './value-policies.ts';
import type { ColumnInfo, Engine } from '@changeover/engines';
import { beginTogether, type SnapshotReader, type SnapshotTable } from '@changeover/engines';
import type { StoredScans } from './checkpoint.ts';
import { type Common, commonForm } from './shared-form.ts';
import {
  type Between,
  both,
  firstMovedRow,
  type LoneRows,
  locateRows,
  type ScanPair,
  type SidePair,
} from './locate-rows.ts';
import { SideScan } from './side-scan.ts';
import type { ValueShower } from './show-values.ts';
import { describeRows, stillAlone } from './table-difference.ts';
import type { ComparedHow, TableDifference, TableResult, VerifyProgress } from './verify-types.ts';

/** Rounds in which two stores are read before a difference that each time is another one is called raced. */
const mostRounds = 4;

/** What a table's verification needs. */
export interface TableJob {
  readonly engine: Engine;
  readonly dataset: string;
  readonly table: string;
  readonly readers: readonly [left: SnapshotReader, right: SnapshotReader];
  /** Both sides read one store, so that they can share a snapshot. */
  readonly oneStore: boolean;
  readonly by: 'values' | 'checksum';
  readonly order: boolean;
  readonly segmentRows: number;
  readonly shower: ValueShower;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** Counts the rows, tells how far it is, and waits where others need the machine. Rejects at an abort. */
  readonly between: (
    phase: VerifyProgress['phase'],
    rows: number,
    totalRows: number | undefined,
    read: number,
  ) => Promise<void>;
  /** Where an earlier process stopped. */
  readonly stored: StoredScans | undefined;
  /** Keeps how far it is. @param now false where it may be left for later. */
  readonly store: (scans: () => StoredScans | undefined, now: boolean) => void;
}

type Found = Pick<TableResult, 'verdict' | 'rows' | 'compared'> &
  Partial<Pick<TableResult, 'reason' | 'difference' | 'digest'>>;

/** Compares one table. Rejects only where the table can't be read or the work is given up. */
export async function verifyTable(job: TableJob): Promise<TableResult> {
  const startedMs = job.nowMs();
  const found = await new TableVerification(job).run();
  const { engine, dataset, table } = job;
  return {
    engine,
    dataset,
    table,
    ...found,
    durationMs: Math.round(job.nowMs() - startedMs),
    at: new Date(job.wallMs()).toISOString(),
  };
}

interface Scanned {
  readonly sides: SidePair;
  readonly scans: ScanPair;
}

class TableVerification {
  readonly #job: TableJob;
  #shared = false;
  #resumed = false;

  constructor(job: TableJob) {
    this.#job = job;
  }

  async run(): Promise<Found> {
    const { readers } = this.#job;
    try {
      await this.#begin();
      return await this.#compare();
    } finally {
      // After a failure a session may have nothing to end or no connection.
      for (const reader of readers) await reader.end().catch(() => undefined);
    }
  }

  async #begin(): Promise<void> {
    const [left, right] = this.#job.readers;
    this.#shared = this.#job.oneStore && (await beginTogether(left, right));
    if (this.#job.oneStore) return;
    await left.begin();
    await right.begin();
  }

  async #beginAnew(): Promise<void> {
    for (const reader of this.#job.readers) await reader.end();
    await this.#begin();
  }

  async #compare(): Promise<Found> {
    const tables = await this.#tables();
    const columns = columnsDiffer(this.#job.readers, tables);
    if (columns !== undefined) {
      return {
        verdict: 'mismatch',
        rows: noRows,
        compared: this.#how('nothing'),
        difference: columns,
      };
    }
    if (this.#job.by === 'checksum') {
      const found = await this.#byChecksum(tables);
      if (found !== undefined) return found;
    }
    return this.#byValues(tables);
  }

  async #tables(): Promise<readonly [SnapshotTable, SnapshotTable]> {
    const [left, right] = this.#job.readers;
    return [await left.table(this.#job.table), await right.table(this.#job.table)];
  }

  /** Undefined where the rows must be read: the checksums differ, or an engine has none. */
  async #byChecksum(tables: readonly [SnapshotTable, SnapshotTable]): Promise<Found | undefined> {
    const [left, right] = this.#job.readers;
    if (left.engine !== right.engine) return undefined;
    const a = await left.checksum(tables[0]);
    if (a === undefined) return undefined;
    const b = await right.checksum(tables[1]);
    await this.#job.between('scan', a.rows, a.rows, 0);
    if (a.rows !== b?.rows || a.checksum !== b.checksum) return undefined;
    return {
      verdict: 'match',
      rows: { left: a.rows, right: b.rows },
      compared: { ...this.#how('checksum'), order: false },
    };
  }

  async #byValues(tables: readonly [SnapshotTable, SnapshotTable]): Promise<Found> {
    this.#resumed = this.#job.stored !== undefined;
    let scanned = await this.#scan(tables, 'scan', this.#job.stored);
    if (this.#same(scanned)) return this.#match(scanned);
    if (this.#resumed) {
      // What was read in two states may differ for that alone.
      this.#resumed = false;
      await this.#beginAnew();
      scanned = await this.#scan(tables, 'scan', undefined);
      if (this.#same(scanned)) return this.#match(scanned);
    }
    return this.#shared
      ? this.#mismatch(scanned, await this.#locate(scanned))
      : this.#confirm(scanned, tables);
  }

  /** Where the sides can't share a snapshot, a difference counts if it is there when both are read again. */
  async #confirm(first: Scanned, tables: readonly [SnapshotTable, SnapshotTable]): Promise<Found> {
    let before = first;
    let lone = await this.#locate(first);
    for (let round = 2; round <= mostRounds; round += 1) {
      await this.#beginAnew();
      const now = await this.#scan(tables, 'confirm', undefined);
      if (this.#same(now))
        return {
          ...this.#match(now),
          verdict: 'raced',
          reason: 'the difference had gone when both were read again',
        };
      const loneNow = await this.#locate(now);
      const stays = stillAlone(lone, loneNow);
      const orderStays = isOrder(loneNow) && isOrder(lone) && sameDigests(before, now);
      if (orderStays || stays.digests.left.size + stays.digests.right.size > 0)
        return this.#mismatch(now, orderStays ? loneNow : stays);
      lone = loneNow;
      before = now;
    }
    return {
      verdict: 'raced',
      rows: rowsOf(before),
      compared: this.#how('values'),
      reason: `the rows that differ were others in each of ${mostRounds} rounds: someone writes all the time`,
    };
  }

  async #scan(
    tables: readonly [SnapshotTable, SnapshotTable],
    phase: 'scan' | 'confirm',
    stored: StoredScans | undefined,
  ): Promise<Scanned> {
    const sides = this.#sides(tables);
    const totalRows = await sides[0].reader.estimateRows(tables[0]);
    const left = new SideScan(sides[0], { stored: stored?.left });
    const right = new SideScan(sides[1], { stored: stored?.right });
    const store = (): StoredScans | undefined => {
      const [a, b] = [left.store(), right.store()];
      return a === undefined || b === undefined ? undefined : { left: a, right: b };
    };
    let read = 0;
    try {
      while (!left.ended || !right.ended) {
        await both(left.segment(), right.segment());
        const more = left.read + right.read - read;
        read += more;
        await this.#job.between(phase, left.digest.rows, totalRows, more);
        if (phase === 'scan') this.#job.store(store, false);
      }
      return { sides, scans: [left, right] };
    } catch (error) {
      if (phase === 'scan') this.#job.store(store, true);
      throw error;
    } finally {
      await both(left.close(), right.close());
    }
  }

  #sides([left, right]: readonly [SnapshotTable, SnapshotTable]): SidePair {
    const [a, b] = this.#job.readers;
    const { common, policy } = meetingPoint([a.engine, b.engine], left.columns, right.columns);
    const { segmentRows } = this.#job;
    return [
      { reader: a, table: left, common, policy, segmentRows },
      { reader: b, table: right, common, policy, segmentRows },
    ];
  }

  #same({ scans: [left, right] }: Scanned): boolean {
    if (
      left.digest.rows !== right.digest.rows ||
      left.digest.differingBuckets(right.digest).size > 0
    )
      return false;
    return !this.#job.order || left.digest.differingSegments(right.digest).length === 0;
  }

  #locate({ sides, scans }: Scanned): Promise<LoneRows> {
    return locateRows(sides, scans, this.#locating(scans));
  }

  #locating([left]: ScanPair): Between {
    let last = 0;
    return async (rows) => {
      const more = Math.max(0, rows - last);
      last = rows;
      await this.#job.between('locate', rows, left.digest.rows, more);
    };
  }

  #match(scanned: Scanned): Found {
    const {
      scans: [left, right],
    } = scanned;
    const moved = !this.#job.order && left.digest.differingSegments(right.digest).length > 0;
    return {
      verdict: 'match',
      rows: rowsOf(scanned),
      compared: this.#how('values'),
      digest: left.digest.orderFree(),
      ...(moved ? { reason: 'the rows are in another order, which did not count' } : {}),
    };
  }

  async #mismatch(scanned: Scanned, lone: LoneRows): Promise<Found> {
    const difference = isOrder(lone)
      ? await this.#otherOrder(scanned)
      : describeRows(scanned.sides, lone, this.#job.shower);
    return {
      verdict: 'mismatch',
      rows: rowsOf(scanned),
      compared: this.#how('values'),
      difference,
      digest: scanned.scans[0].digest.orderFree(),
    };
  }

  async #otherOrder({ sides, scans }: Scanned): Promise<TableDifference> {
    const row = (await firstMovedRow(sides, scans, this.#locating(scans))) + 1;
    return {
      class: 'order',
      columns: [],
      rows: noRows,
      complete: true,
      samples: [{ row, column: undefined, left: undefined, right: undefined }],
    };
  }

  #how(by: ComparedHow['by']): ComparedHow {
    return {
      by,
      snapshot: this.#shared ? 'shared' : 'apart',
      order: this.#job.order,
      resumed: this.#resumed,
    };
  }
}

const noRows = { left: 0, right: 0 } as const;

function rowsOf({ scans: [left, right] }: Scanned): TableResult['rows'] {
  return { left: left.digest.rows, right: right.digest.rows };
}

function isOrder({ digests, complete }: LoneRows): boolean {
  return complete && digests.left.size + digests.right.size === 0;
}

/** Whether each side reads as it did. */
function sameDigests(before: Scanned, now: Scanned): boolean {
  return before.scans.every(({ digest }, at) => {
    const other = now.scans[at]?.digest;
    return other !== undefined && digest.differingSegments(other).length === 0;
  });
}

/** Names that differ, or types where both sides are of one engine; undefined where there are none. */
function columnsDiffer(
  [a, b]: readonly [SnapshotReader, SnapshotReader],
  [left, right]: readonly [SnapshotTable, SnapshotTable],
): TableDifference | undefined {
  const names = (table: SnapshotTable): readonly string[] => table.columns.map(({ name }) => name);
  const [x, y] = [names(left), names(right)];
  const found = { rows: noRows, complete: true, samples: [] } as const;
  if (x.length !== y.length || x.some((name, at) => name !== y[at])) {
    const unshared = [
      ...x.filter((name) => !y.includes(name)),
      ...y.filter((name) => !x.includes(name)),
    ];
    return {
      ...found,
      class: 'columns',
      columns: unshared.length > 0 ? unshared : x.filter((name, at) => name !== y[at]),
    };
  }
  if (a.engine !== b.engine) return undefined;
  const types = x.filter(
    (_name, at) => left.columns[at]?.type.toLowerCase() !== right.columns[at]?.type.toLowerCase(),
  );
  return types.length === 0 ? undefined : { ...found, class: 'type', columns: types };
}

/** How values of two engines are made comparable; nothing is changed where the engine is the same. */
function meetingPoint(
  [a, b]: readonly [Engine, Engine],
  left: readonly ColumnInfo[],
  right: readonly ColumnInfo[],
): { readonly common: readonly (Common | undefined)[]; readonly policy: ValuePolicy } {
  if (a === b) return { common: [], policy: valuePolicies[a] };
  const common = left.map(({ type }, at) =>
    commonForm({ engine: a, type }, { engine: b, type: right[at]?.type ?? '' }),
  );
  const equal =
    valuePolicies[a].negativeZero === 'equal' || valuePolicies[b].negativeZero === 'equal';
  return { common, policy: { negativeZero: equal ? 'equal' : 'distinct' } };
}
