/** A statement's arguments as its caller passed them, for a report. */
export function toldStatement(sql: string, values: unknown): readonly unknown[] {
  const isBare = values === undefined || (Array.isArray(values) && values.length === 0);
  return isBare ? [sql] : [sql, values];
}
