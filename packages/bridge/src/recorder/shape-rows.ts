import { stageNamed } from '@changeover/core';
import type { ReportBuilder } from './report-builder.ts';
import type { ShapeRow } from './shape-book.ts';
import { noShapeTotals, shapeCountNames, type ShapeTotals } from './cell.ts';
import type { StoreValue } from './store-file.ts';

/** What the store has of shapes, from its version 5 on. */
export const shapeSchema: string = `
  create table shape (
    writer text not null, part integer not null,
    backend text not null, dataset text not null, operation text not null, shape text not null, stage text not null,
    ${shapeCountNames
      .filter((name) => name !== 'failed')
      .map((name) => `"${name}" integer not null`)
      .join(', ')},
    not_comparable text, first_at integer not null, last_at integer not null,
    primary key (writer, part)
  ) without rowid;
`;

/** What version 9 added. */
export const shapeErrorsSchema: string = `
  alter table shape add column failed integer not null default 0;
`;

/** The columns of a shape's row. */
export const shapeColumns: readonly string[] = [
  'writer',
  'part',
  'backend',
  'dataset',
  'operation',
  'shape',
  'stage',
  ...shapeCountNames,
  'not_comparable',
  'first_at',
  'last_at',
];

/** In the order of the columns, after the writer. */
export function shapeValues(row: ShapeRow): StoreValue[] {
  const { part, backend, dataset, operation, shape, stage, totals, firstAt, lastAt } = row;
  const counts = shapeCountNames.map((name) => totals[name]);
  const key = [part, backend, dataset, operation, shape, stage];
  return [...key, ...counts, row.notComparable ?? null, firstAt, lastAt];
}

/** A shape's row as a store gives it back. */
export type StoredShape = Omit<ShapeRow, 'totals' | 'notComparable' | 'firstAt' | 'lastAt'> &
  ShapeTotals & {
    writer: string;
    not_comparable: string | null;
    first_at: number;
    last_at: number;
  };

/** Adds what is stored of a shape to a report. */
export function addStoredShape(builder: ReportBuilder, row: StoredShape): void {
  const totals = noShapeTotals();
  // Before version 9 failed calls were not told apart by shape.
  for (const name of shapeCountNames) totals[name] = (row as Partial<ShapeTotals>)[name] ?? 0;
  const { backend, dataset, operation, shape, first_at: firstAt, last_at: lastAt } = row;
  const stage = stageNamed(row.stage) ?? 'legacy';
  const notComparable = row.not_comparable ?? undefined;
  const key = { backend, dataset, operation, shape, stage };
  builder.addShape({ ...key, totals, notComparable, firstAt, lastAt });
}
