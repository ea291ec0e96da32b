import { onlyPlain } from '@changeover/bridge';

/** Rows as data. What a driver makes an object of its own of, as an interval, has all it is in its fields. */
export function plainRows(rows: readonly unknown[]): unknown {
  return onlyPlain(rows.map(plainRow));
}

function plainRow(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return row;
  const fields = row as Readonly<Record<string, unknown>>;
  let plain: Record<string, unknown> | undefined;
  for (const name in fields) {
    const value = fields[name];
    if (typeof value !== 'object' || value === null || !('toPostgres' in value)) continue;
    plain ??= { ...fields };
    plain[name] = { ...value };
  }
  return plain ?? row;
}
