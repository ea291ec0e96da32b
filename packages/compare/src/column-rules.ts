import { withinTolerance } from './loose-values.ts';
import { sameValue } from './row-hasher.ts';

/** What a comparison of rows makes of each column. */
export interface ColumnRules {
  /** The column isn't looked at. */
  ignores(column: string): boolean;
  /** The column's values may differ and be the same by {@link same}. */
  loosens(column: string): boolean;
  /** Whether two values of the column are the same. */
  same(column: string, legacy: unknown, pooled: unknown): boolean;
}

/** All columns count, and each value by its canonical encoding. */
export const noColumnRules: ColumnRules = {
  ignores: () => false,
  loosens: () => false,
  same: (_column, legacy, pooled) => sameValue(legacy, pooled),
};

/** Numbers of any column may differ in their last digits, as sums of doubles do that were added in another order. */
export const roundedNumbers: ColumnRules = {
  ignores: () => false,
  loosens: () => true,
  same: (_column, legacy, pooled) =>
    sameValue(legacy, pooled) || withinTolerance(legacy, pooled, 1e-12, 1e-9),
};

/**
 * Numbers of some columns, or fields of a value that is no row, may differ in their last digits.
 *
 * @param columns those whose numbers may.
 * @param scale the largest number that they were made of: what is left of sums that cancel out has no digits in common. Default: 0.
 */
export function roundedIn(columns: readonly string[], scale: number = 0): ColumnRules {
  const rounded = new Set(columns);
  const absolute = Math.max(1e-12, 1e-9 * Math.abs(scale));
  return {
    ignores: () => false,
    loosens: (column) => rounded.has(column),
    same: (column, legacy, pooled) =>
      sameValue(legacy, pooled) ||
      (rounded.has(column) && withinTolerance(legacy, pooled, absolute, 1e-9)),
  };
}
