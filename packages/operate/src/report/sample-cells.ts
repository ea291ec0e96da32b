/** One place where the two legs differ. */
export interface SampleCell {
  /** The first is 1, as people and `changeover verify` count. */
  readonly row: string;
  /** Undefined where whole rows differ. */
  readonly column: string | undefined;
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** Two parallel lists of `{row, column, value}` as one; undefined for anything else. */
export function pairCells(legacy: unknown, pooled: unknown): readonly SampleCell[] | undefined {
  const [before, after] = [cellsOf(legacy), cellsOf(pooled)];
  if (before === undefined || after === undefined || before.length !== after.length)
    return undefined;
  return before.map((cell, at) => {
    const { row, column, value } = cell;
    return {
      row: String(row + 1),
      column: typeof column === 'string' ? column : undefined,
      legacy: value,
      pooled: after[at]?.value,
    };
  });
}

interface RawCell {
  readonly row: number;
  readonly column?: unknown;
  readonly value?: unknown;
}

function cellsOf(value: unknown): readonly RawCell[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every(
    (one): one is RawCell =>
      typeof one === 'object' &&
      one !== null &&
      typeof (one as { row?: unknown }).row === 'number' &&
      'value' in one,
  )
    ? value
    : undefined;
}
