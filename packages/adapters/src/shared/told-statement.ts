import { StatementShapes } from '@changeover/classify';
import type { ToldCall } from '@changeover/core';

/** A statement as a report tells it. Asked of what differed alone, so that nothing is remembered for it. */
export function toldStatement(sql: string, values: unknown): ToldCall {
  const isBare = values === undefined || (Array.isArray(values) && values.length === 0);
  return { shape: new StatementShapes().of(sql), args: isBare ? [sql] : [sql, values] };
}
