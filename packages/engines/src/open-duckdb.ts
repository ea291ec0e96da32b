import { lazyModule } from '@changeover/core';
import type { DuckdbSession, DuckdbSessionOptions } from './duckdb-session.ts';

const loadSession = lazyModule(() => import('./duckdb-session.ts'));

/**
 * Opens a connection to the one instance of an existing DuckDB file. The first one loads the driver.
 *
 * Rejects with a {@link ConnectionError} where the file is missing, no database, or locked by another process, and with
 * `DRIVER_MISSING` where the driver isn't installed.
 */
export async function openDuckdbSession(options: DuckdbSessionOptions): Promise<DuckdbSession> {
  const session = await loadSession();
  return await session.openDuckdbSession(options);
}
