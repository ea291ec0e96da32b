import { findDifference, type CellDifference } from '@changeover/compare';
import { valuePolicies } from './value-policies.ts';
import type { Row, Value } from '@changeover/core';
import { rowsFromCells } from '@changeover/engines';
import type { LoneRow, LoneRows, SidePair } from './locate-rows.ts';
import type { ValueShower } from './show-values.ts';
import type { ShownValue, TableDifference, VerifySample } from './verify-types.ts';

/** Says how two tables differ by the rows that only one of them has. */
export function describeRows(
  sides: SidePair,
  lone: LoneRows,
  shower: ValueShower,
): TableDifference {
  const columns = sides[0].table.columns.map(({ name }) => name);
  const rows = { left: countOf(lone.digests.left), right: countOf(lone.digests.right) };
  const zeros = sides.some(({ reader }) => valuePolicies[reader.engine].negativeZero === 'equal');
  const toRows = (list: readonly LoneRow[]): Row[] =>
    rowsFromCells(
      columns,
      list.map(({ cells }) => (zeros ? cells.map(withoutSign) : cells)),
    );
  const difference = findDifference(
    { columns, rows: toRows(lone.left) },
    { columns, rows: toRows(lone.right) },
    false,
  );
  const key = sides[0].table.columns
    .filter(({ primaryKey }) => primaryKey)
    .map(({ name }) => columns.indexOf(name));
  const sample = (cell: CellDifference): VerifySample => {
    const row =
      cell.legacy === undefined && cell.column === undefined
        ? lone.right[cell.row]
        : lone.left[cell.row];
    const keyed = key.map((at): [string, ShownValue] => [
      columns[at] ?? '',
      shower.show(row?.cells[at] ?? null),
    ]);
    return {
      row: (row?.row ?? 0) + 1,
      column: cell.column,
      ...(keyed.length === 0 ? {} : { key: Object.fromEntries(keyed) }),
      left: cell.legacy === undefined ? undefined : shower.show(cell.legacy),
      right: cell.pooled === undefined ? undefined : shower.show(cell.pooled),
    };
  };
  return {
    class: difference?.class ?? 'value',
    columns: difference?.columns ?? [],
    rows,
    complete: lone.complete,
    samples: difference?.cells.map(sample) ?? [],
  };
}

function withoutSign(value: Value): Value {
  return value === 0 ? 0 : value;
}

function countOf(digests: ReadonlyMap<number, number>): number {
  let sum = 0;
  for (const count of digests.values()) sum += count;
  return sum;
}

/** The rows that were alone in both of two rounds. */
export function stillAlone(before: LoneRows, now: LoneRows): LoneRows {
  const both = (
    a: ReadonlyMap<number, number>,
    b: ReadonlyMap<number, number>,
  ): Map<number, number> =>
    new Map(
      [...b].flatMap(([digest, count]) =>
        a.has(digest) ? [[digest, Math.min(count, a.get(digest) ?? 0)]] : [],
      ),
    );
  const digests = {
    left: both(before.digests.left, now.digests.left),
    right: both(before.digests.right, now.digests.right),
  };
  return {
    digests,
    complete: before.complete && now.complete,
    left: now.left.filter(({ digest }) => digests.left.has(digest)),
    right: now.right.filter(({ digest }) => digests.right.has(digest)),
  };
}
