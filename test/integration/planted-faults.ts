import { compareDigests, digestRows, type DifferenceClass } from '@changeover/compare';
import type { Row, Value } from 'changeover';
import { pick } from './traffic.ts';

export type Rows = readonly Row[];
type Random = () => number;

/** Something that goes wrong with what a read answers. */
export interface PlantedFault {
  /** As what it must be found; undefined where it is none and must not be found. */
  readonly class: DifferenceClass | undefined;
  /** Only where the query says in which order the rows come. */
  readonly ordered?: boolean;
  /** Undefined where these rows can't show it. @throws where the fault is to fail. */
  readonly plant: (rows: Rows, random: Random) => Rows | undefined;
}

type ChangeCell = (value: Value, random: Random) => Value | undefined;

/** Changes one cell of those that can be changed so. */
function inCell(change: ChangeCell): PlantedFault['plant'] {
  return (rows, random) => {
    const places = rows.flatMap((row, at) =>
      Object.entries(row).flatMap(([column, value]) => {
        const changed = change(value, random);
        return changed === undefined ? [] : [{ at, column, changed }];
      }),
    );
    if (places.length === 0) return undefined;
    const { at, column, changed } = pick(random, places);
    return rows.with(at, { ...rows[at], [column]: changed });
  };
}

const bits = new BigInt64Array(1);
const double = new Float64Array(bits.buffer);

/** The next double, away from zero. */
function nextDouble(value: number): number {
  double[0] = value;
  bits[0] = (bits[0] ?? 0n) + 1n;
  return double[0];
}

function ifOther<T extends Value>(value: T, other: T): T | undefined {
  return Object.is(value, other) ? undefined : other;
}

const hourLater = (text: string): string | undefined => {
  const parts = /^(\d{4}-\d\d-\d\d )(\d\d)(:.*)$/.exec(text);
  return parts === null
    ? undefined
    : `${parts[1] ?? ''}${String((Number(parts[2]) + 1) % 24).padStart(2, '0')}${parts[3] ?? ''}`;
};

const inText = (change: (text: string) => Value | undefined): PlantedFault['plant'] =>
  inCell((value) => (typeof value === 'string' ? change(value) : undefined));

const names = (rows: Rows): string[] => Object.keys(rows[0] ?? {});
const isNumber = (value: unknown): boolean =>
  typeof value === 'number' || typeof value === 'bigint';

/** Two columns whose values are of one type in all rows, and others in one at least. */
function swappableColumns(rows: Rows): (readonly [string, string])[] {
  const all = names(rows);
  return all.flatMap((one, at) =>
    all
      .slice(at + 1)
      .filter(
        (two) =>
          rows.every((row) => typeof row[one] === typeof row[two]) &&
          rows.some((row) => row[one] !== row[two]),
      )
      .map((two) => [one, two] as const),
  );
}

function otherOrder(rows: Rows, changed: Rows): Rows | undefined {
  return compareDigests(digestRows(rows), digestRows(changed)) === 'order' ? changed : undefined;
}

function swapped<T>(items: readonly T[], one: number, two: number): T[] {
  const all = [...items];
  [all[one], all[two]] = [items[two] as T, items[one] as T];
  return all;
}

const at = (rows: Rows, random: Random): number => Math.floor(random() * rows.length);
const withColumns = (
  rows: Rows,
  change: (entries: [string, Value][]) => (readonly [string, Value])[],
): Rows => rows.map((row) => Object.fromEntries(change(Object.entries(row))));

/** What can go wrong with rows. */
export const rowFaults: Readonly<Record<string, PlantedFault>> = {
  'another number': {
    class: 'value',
    plant: inCell((value) =>
      typeof value === 'number' ? value + 1 : typeof value === 'bigint' ? value + 1n : undefined,
    ),
  },
  'another sign': {
    class: 'value',
    plant: inCell((value) => (typeof value === 'number' && value !== 0 ? -value : undefined)),
  },
  'the next double': {
    class: 'value',
    plant: inCell((value) =>
      typeof value === 'number' && !Number.isInteger(value) ? nextDouble(value) : undefined,
    ),
  },
  'digits lost past 2^53': {
    class: 'value',
    plant: inCell((value) =>
      typeof value === 'bigint' ? ifOther(value, BigInt(Number(value))) : undefined,
    ),
  },
  'another boolean': {
    class: 'value',
    plant: inCell((value) => (typeof value === 'boolean' ? !value : undefined)),
  },
  'another text': { class: 'value', plant: inText((text) => `${text}~`) },
  'a space at the end': { class: 'value', plant: inText((text) => `${text} `) },
  'other capitals': { class: 'value', plant: inText((text) => ifOther(text, text.toUpperCase())) },
  'another normal form': {
    class: 'value',
    plant: inText((text) => ifOther(text, text.normalize('NFD'))),
  },
  'a text cut at 255': {
    class: 'value',
    plant: inText((text) => ifOther(text, text.slice(0, 255))),
  },
  'a time an hour off': { class: 'value', plant: inText(hourLater) },
  'microseconds lost': {
    class: 'value',
    plant: inText((text) => ifOther(text, text.replace(/(:\d\d\.\d{3})\d+$/, '$1'))),
  },
  'NULL for a value': {
    class: 'value',
    plant: inCell((value) => (value === null ? undefined : null)),
  },
  'NULL for the empty text': {
    class: 'value',
    plant: inText((text) => (text === '' ? null : undefined)),
  },
  'the empty text for NULL': {
    class: 'value',
    plant: inCell((value) => (value === null ? '' : undefined)),
  },
  'zero for NULL': { class: 'value', plant: inCell((value) => (value === null ? 0 : undefined)) },
  "two columns' values swapped": {
    class: 'value',
    plant: (rows, random) => {
      const pairs = swappableColumns(rows);
      if (pairs.length === 0) return undefined;
      const [one, two] = pick(random, pairs);
      return rows.map((row) => ({ ...row, [one]: row[two] ?? null, [two]: row[one] ?? null }));
    },
  },
  'a value rounded in all rows': {
    class: 'value',
    plant: (rows, random) => {
      const columns = names(rows).filter((name) =>
        rows.some((row) => typeof row[name] === 'number' && !Number.isInteger(row[name])),
      );
      if (columns.length === 0) return undefined;
      const column = pick(random, columns);
      return rows.map((row) =>
        typeof row[column] === 'number' ? { ...row, [column]: Math.round(row[column]) } : row,
      );
    },
  },
  'a number as text': {
    class: 'type',
    plant: inCell((value) => (isNumber(value) ? String(value) : undefined)),
  },
  'a text as its length': { class: 'type', plant: inText((text) => text.length) },
  'a text as bytes': { class: 'type', plant: inText((text) => Buffer.from(text)) },
  'a boolean as number': {
    class: 'type',
    plant: inCell((value) => (typeof value === 'boolean' ? Number(value) : undefined)),
  },
  'a large integer as double': {
    class: 'type',
    plant: inCell((value) => (typeof value === 'bigint' ? Number(value) : undefined)),
  },
  'all numbers as text': {
    class: 'type',
    plant: (rows) =>
      rows.some((row) => Object.values(row).some(isNumber))
        ? withColumns(rows, (entries) =>
            entries.map(([name, value]) => [name, isNumber(value) ? String(value) : value]),
          )
        : undefined,
  },
  'a row is missing': {
    class: 'missing-row',
    plant: (rows, random) => (rows.length === 0 ? undefined : rows.toSpliced(at(rows, random), 1)),
  },
  'the last row is missing': {
    class: 'missing-row',
    plant: (rows) => (rows.length === 0 ? undefined : rows.slice(0, -1)),
  },
  'all rows are missing': {
    class: 'missing-row',
    plant: (rows) => (rows.length === 0 ? undefined : []),
  },
  'a row twice': {
    class: 'extra-row',
    plant: (rows, random) => (rows.length === 0 ? undefined : [...rows, { ...pick(random, rows) }]),
  },
  'all rows twice': {
    class: 'extra-row',
    plant: (rows) => (rows.length === 0 ? undefined : [...rows, ...rows]),
  },
  'the rows backwards': {
    class: 'order',
    ordered: true,
    plant: (rows) => otherOrder(rows, rows.toReversed()),
  },
  'two rows swapped': {
    class: 'order',
    ordered: true,
    plant: (rows, random) => otherOrder(rows, swapped(rows, at(rows, random), at(rows, random))),
  },
  'a column of another name': {
    class: 'columns',
    plant: (rows, random) => {
      if (rows.length === 0) return undefined;
      const other = pick(random, names(rows));
      return withColumns(rows, (entries) =>
        entries.map(([name, value]) => [name === other ? `${name}_` : name, value]),
      );
    },
  },
  'a column is missing': {
    class: 'columns',
    plant: (rows, random) => {
      if (names(rows).length < 2) return undefined;
      const gone = pick(random, names(rows));
      return withColumns(rows, (entries) => entries.filter(([name]) => name !== gone));
    },
  },
  'a column more': {
    class: 'columns',
    plant: (rows) =>
      rows.length === 0 ? undefined : withColumns(rows, (entries) => [...entries, ['more', null]]),
  },
  'the columns backwards': {
    class: 'columns',
    plant: (rows) =>
      names(rows).length < 2 ? undefined : withColumns(rows, (entries) => entries.toReversed()),
  },
  'an error': {
    class: 'error',
    plant: () => {
      throw new Error('planted');
    },
  },
  'an integer as bigint, which is none': {
    class: undefined,
    plant: inCell((value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value !== 0
        ? BigInt(value)
        : undefined,
    ),
  },
  'rows in another order that none was promised, which is none': {
    class: undefined,
    ordered: false,
    plant: (rows) => otherOrder(rows, rows.toReversed()),
  },
};

/** What can go wrong with an answer that is no list of rows. */
export function spoilAnswer(answer: unknown, random: Random): unknown {
  if (Array.isArray(answer)) {
    if (answer.length === 0) return ['~'];
    const place = Math.floor(random() * answer.length);
    return random() < 0.3
      ? answer.toSpliced(place, 1)
      : answer.with(place, spoilAnswer(answer[place], random));
  }
  if (typeof answer === 'object' && answer !== null) {
    const entries = Object.entries(answer);
    if (entries.length === 0) return { more: null };
    const [name, value] = pick(random, entries) as [string, unknown];
    const rest = entries.filter(([other]) => other !== name);
    return random() < 0.2
      ? Object.fromEntries(rest)
      : { ...answer, [name]: spoilAnswer(value, random) };
  }
  switch (typeof answer) {
    case 'number':
      return pick(random, [
        answer + 1,
        String(answer),
        null,
        nextDouble(answer === 0 ? 1 : answer),
      ]);
    case 'bigint':
      return answer + 1n;
    case 'boolean':
      return pick(random, [!answer, Number(answer), null]);
    case 'string':
      return pick(random, [`${answer} `, null, answer.length]);
    default:
      return pick(random, ['', 0, false]);
  }
}
