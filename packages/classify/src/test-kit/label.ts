import type { OrderPromise, SessionUse } from '../statement.ts';

/** A statement, whether it reads or counts as acting, its session class, its order, and whether anything is left undetermined. */
export type Label = readonly [
  sql: string,
  effect: 'reads' | 'acts',
  session: SessionUse,
  order: OrderPromise,
  undetermined: boolean,
];

const frame = (unit: string): string =>
  `select count(a) over (order by b ${unit} between 1 preceding and current row) from t`;

/** Of every engine: a frame of groups holds rows that are equal together, and one of rows cuts through them. */
export const windowFrames: readonly Label[] = [
  [frame('groups'), 'reads', 'none', 'none', false],
  [frame('rows'), 'reads', 'none', 'none', true],
];
