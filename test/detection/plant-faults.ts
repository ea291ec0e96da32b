import {
  compareDigests,
  digestResult,
  type DifferenceClass,
  encodeCanonical,
  findDifference,
} from '@changeover/compare';
import type { ResultSet } from '@changeover/engines';
import type { Row, Value } from '@changeover/core';
import { pick } from '../faults/random.ts';

/** A fault that a leg may have, of a class that the comparison must name. */
interface Fault {
  readonly class: DifferenceClass;
  /** Changes a copy of the rows; undefined where this place can't have the fault. */
  plant(
    result: ResultSet,
    row: number,
    column: string,
    random: () => number,
  ): ResultSet | undefined;
}

const withCell = (
  { columns, rows }: ResultSet,
  at: number,
  column: string,
  value: Value,
): ResultSet => ({
  columns,
  rows: rows.map((row, index) => (index === at ? { ...row, [column]: value } : row)),
});

function otherValue(value: Value, random: () => number): Value {
  switch (typeof value) {
    case 'number':
      return pick(
        random,
        [value + 1, -value - 1, value === 0 ? 5e-324 : value * (1 + 2 ** -50)].filter(
          (other) => other !== value,
        ),
      );
    case 'bigint':
      return value > 0n ? value - 1n : value + 1n;
    case 'boolean':
      return !value;
    case 'string':
      return pick(random, [
        `${value} `,
        value === '' ? '\0' : value.slice(1),
        null,
        `${value}\u0301`,
      ]);
    default:
      return value === null ? pick(random, ['', 0, false]) : null;
  }
}

function otherType(value: Value): Value | undefined {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'string':
      return Buffer.from(value);
    default:
      return value === null ? undefined : JSON.stringify(value);
  }
}

/** One of each class that two results can differ in; errors are no results. */
export const faults: readonly Fault[] = [
  {
    class: 'value',
    plant: (result, row, column, random) =>
      withCell(result, row, column, otherValue(result.rows[row]?.[column] ?? null, random)),
  },
  {
    class: 'type',
    plant: (result, row, column) => {
      const value = otherType(result.rows[row]?.[column] ?? null);
      return value === undefined ? undefined : withCell(result, row, column, value);
    },
  },
  {
    class: 'missing-row',
    plant: ({ columns, rows }, row) => ({ columns, rows: rows.filter((_, at) => at !== row) }),
  },
  {
    class: 'extra-row',
    plant: ({ columns, rows }, row, _column, random) => {
      const at = Math.floor(random() * (rows.length + 1));
      return { columns, rows: [...rows.slice(0, at), { ...rows[row] }, ...rows.slice(at)] };
    },
  },
  {
    class: 'order',
    plant: ({ columns, rows }, row, _column, random) => {
      const other = Math.floor(random() * rows.length);
      const swapped = [...rows];
      [swapped[row], swapped[other]] = [rows[other] ?? {}, rows[row] ?? {}];
      return sameRow(rows[row], rows[other]) ? undefined : { columns, rows: swapped };
    },
  },
  {
    class: 'columns',
    plant: ({ columns, rows }, _row, column) => {
      const rename = (name: string): string => (name === column ? `${name}_` : name);
      return {
        columns: columns.map(rename),
        rows: rows.map((row) =>
          Object.fromEntries(Object.entries(row).map(([name, value]) => [rename(name), value])),
        ),
      };
    },
  },
];

function sameRow(a: Row | undefined, b: Row | undefined): boolean {
  return Buffer.compare(encodeCanonical(a), encodeCanonical(b)) === 0;
}

/** What a campaign came to. */
export interface Campaign {
  readonly planted: Readonly<Record<string, number>>;
  /** Not seen by the digests, seen as another class, or at another place. */
  readonly wrong: readonly string[];
}

/** Plants so many faults at random places of real results and looks whether each is found, with its class and its column. */
export function plantFaults(
  results: Readonly<Record<string, ResultSet>>,
  count: number,
  random: () => number,
): Campaign {
  const planted: Record<string, number> = {};
  const wrong: string[] = [];
  for (let done = 0; done < count;) {
    const [name, result] = pick(random, Object.entries(results));
    const fault = pick(random, faults);
    const row = Math.floor(random() * result.rows.length);
    const column = pick(random, result.columns);
    const faulty = fault.plant(result, row, column, random);
    // A value that is changed from or to NULL keeps its type; one that is changed to another type is of that class.
    const retyped =
      fault.class === 'value' &&
      changesType(result.rows[row]?.[column], faulty?.rows[row]?.[column]);
    if (faulty === undefined || retyped) continue;
    done += 1;
    planted[fault.class] = (planted[fault.class] ?? 0) + 1;
    const digests = compareDigests(digestResult(result, 'rows'), digestResult(faulty, 'rows'));
    const difference = findDifference(result, faulty, true);
    const expected = fault.class === 'order' ? 'order' : 'different';
    const cell = fault.class === 'value' || fault.class === 'type';
    const placed =
      !cell || (difference?.columns.join() === column && difference.cells[0]?.row === row);
    if (digests !== expected || difference?.class !== fault.class || !placed) {
      wrong.push(
        `${fault.class} in ${name} at row ${row}, ${column}: digests ${digests}, found ${String(difference?.class)} ` +
          `in ${difference?.columns.join() ?? ''} at ${String(difference?.cells[0]?.row)}`,
      );
    }
  }
  return { planted, wrong };
}

function changesType(a: Value | undefined, b: Value | undefined): boolean {
  return a !== null && b !== null && typeof a !== typeof b;
}
