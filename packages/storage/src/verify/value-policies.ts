import { strictValues, type ValuePolicy } from '@changeover/compare';
import type { Engine } from '@changeover/engines';

/**
 * The default policy of each engine.
 *
 * | engine | negative zero | why |
 * | --- | --- | --- |
 * | SQLite | equal | a REAL column stores -0.0 as 0, while an expression keeps the sign |
 * | DuckDB | distinct | keeps the sign in `FLOAT` and `DOUBLE`; losing it is a fault of the way back |
 * | PostgreSQL | distinct | keeps the sign in `float4` and `float8` likewise |
 */
export const valuePolicies: Readonly<Record<Engine, ValuePolicy>> = {
  sqlite: { negativeZero: 'equal' },
  duckdb: strictValues,
  postgresql: strictValues,
};
