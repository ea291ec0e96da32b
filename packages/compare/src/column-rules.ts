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
