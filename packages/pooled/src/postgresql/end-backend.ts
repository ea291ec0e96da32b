import { connectPostgres, type Program } from '@changeover/engines';

/** How long the server may take to end one of its processes, and to be reached for that. */
const endMs = 2_000;
/** How often it is asked whether the process is gone. */
const pauseMs = 20;

/** The process of one connection, and not one that has its number by now, or that stands behind a pooler. */
const ours =
  'pid = $1 AND usename = current_user AND datname = pg_catalog.current_database() AND ' +
  "application_name = pg_catalog.current_setting('application_name') AND xact_start IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()";

/** Has the server end one of its processes that is in a transaction, on a connection opened for that, and waits until it is gone
 * or 2 s have passed. Never rejects: where the server can't be reached, there is no more to be done. */
export async function endBackend(url: string, processId: number): Promise<void> {
  const untilMs = performance.now() + endMs;
  const session = await connectPostgres({
    url,
    connectTimeoutMs: endMs,
    statementTimeoutMs: endMs,
  }).catch(() => undefined);
  if (session === undefined) return;
  try {
    await session.run(asked(`SELECT pg_catalog.pg_terminate_backend(pid) AS there`, processId));
    while (
      performance.now() < untilMs &&
      (await session.run(asked('SELECT true AS there', processId)))
    )
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
  } catch {
    // As above.
  } finally {
    await session.close();
  }
}

function* asked(select: string, processId: number): Program<boolean> {
  const { rows } = yield {
    kind: 'all',
    sql: `${select} FROM pg_catalog.pg_stat_activity WHERE ${ours}`,
    params: [processId],
  };
  return rows.length > 0;
}
