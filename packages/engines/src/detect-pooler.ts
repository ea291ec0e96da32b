import type pg from 'pg';
import { postgresDriver } from './drivers.ts';
import { settledWithin } from './program-line.ts';
import { bareUrl, splitUrl, startupOptions } from './postgres-settings.ts';

/**
 * How connections to a URL become connections to a server. `none`: each is a process of the server's own, whatever passes its bytes
 * on. `session`: a pooler gives it one for as long as it is open. `transaction`: a pooler gives it one for each transaction.
 * `statement`: for each statement, and transactions are refused.
 */
export type Pooling = 'none' | 'session' | 'transaction' | 'statement';

/** What stands in front of a PostgreSQL server. */
export interface PoolerFacts {
  /** `unknown`: a pooler is there, and no second connection could be had in time to tell which kind. */
  readonly pooling: Pooling | 'unknown';
  /** What becomes of a setting that a connection is opened with (the startup parameter `options`): the server has it, the pooler
   * drops it silently, or it refuses the connection. */
  readonly startupOptions: 'kept' | 'dropped' | 'refused';
  /** The pooler's words where it refuses. */
  readonly refusal: string | undefined;
  /** The server takes no writes: it follows another. */
  readonly isStandby: boolean;
  readonly serverVersion: string;
  /** Address and port at which the server was reached, as it sees them; undefined over a Unix socket. */
  readonly serverAddress: string | undefined;
  /** The server was reached at another port than the URL's: a proxy, a pooler or a mapping of ports is in between. One that uses the
   * same port elsewhere does not show. */
  readonly isForwarded: boolean;
}

/** How often two connections are compared. A pooler under load may take a few to give one's server connection to the other. */
const rounds = 6;
/** How long what was found of a URL is believed. */
const believedMs = 60_000;
/** URLs remembered. */
const mostUrls = 100;

interface Remembered {
  readonly untilMs: number;
  readonly pooling: Promise<Pooling | 'unknown'>;
}

// A fact about the world outside, like a resolved host name: each connection of each pool would ask for it with two of its own.
const poolings = new Map<string, Remembered>();
const refusing = new Map<string, number>();

/**
 * Tells what stands in front of a PostgreSQL server, by connecting to it up to four times. Nothing is left there.
 *
 * @param url `postgres://` URL of the server or of what is before it.
 * @param timeoutMs for each connection and each answer. Default: 5000.
 *
 * Rejects with the driver's error where no connection can be had.
 */
export async function detectPooler(url: string, timeoutMs = 5_000): Promise<PoolerFacts> {
  const { startup, refusal } = await startupOf(url, timeoutMs);
  const client = await connected(bareUrl(url).url, timeoutMs);
  try {
    const [row] = await rowsOf(
      client,
      'SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting($1), pg_catalog.host(pg_catalog.inet_server_addr()), ' +
        'pg_catalog.inet_server_port()::pg_catalog.text',
      ['server_version'],
    );
    const [isStandby, serverVersion, host, port] = row ?? [];
    const isTcp = typeof host === 'string' && typeof port === 'string';
    return {
      pooling: await probe(url, timeoutMs),
      startupOptions: startup,
      refusal,
      isStandby: isStandby === true,
      serverVersion: String(serverVersion),
      serverAddress: isTcp ? `${host}:${port}` : undefined,
      isForwarded: isTcp && String(new URL(url).port || 5432) !== port,
    };
  } finally {
    await ended(client);
  }
}

/** As {@link detectPooler} tells, remembered for a minute. */
export async function poolingOf(url: string, timeoutMs: number): Promise<Pooling | 'unknown'> {
  const known = poolings.get(url);
  if (known !== undefined && known.untilMs > performance.now()) return known.pooling;
  const pooling = probe(url, timeoutMs);
  forgetOldest(poolings);
  poolings.set(url, { pooling, untilMs: performance.now() + believedMs });
  const forget = (): void => {
    poolings.delete(url);
  };
  pooling.then((found) => {
    if (found === 'unknown') forget();
  }, forget);
  return pooling;
}

/** Whether a pooler was seen to refuse connections that bring settings; remembered for a minute. */
export function refusesStartup(url: string): boolean {
  return (refusing.get(url) ?? 0) > performance.now();
}

/** @returns whether an error is a pooler's refusal of what a connection is opened with. It is remembered. */
export function noteRefusal(url: string, error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!/unsupported startup parameter|command-line options/i.test(error.message)) return false;
  forgetOldest(refusing);
  refusing.set(url, performance.now() + believedMs);
  return true;
}

function forgetOldest(known: Map<string, unknown>): void {
  const [oldest] = known.keys();
  if (known.size >= mostUrls && oldest !== undefined) known.delete(oldest);
}

async function startupOf(
  url: string,
  timeoutMs: number,
): Promise<{ startup: PoolerFacts['startupOptions']; refusal: string | undefined }> {
  const { url: rest, options } = splitUrl(url);
  // One that nobody would set for all.
  const asked = '4711';
  try {
    const client = await connected(
      rest,
      timeoutMs,
      startupOptions(options, { gin_pending_list_limit: asked }),
    );
    try {
      const [row] = await rowsOf(
        client,
        'SELECT setting FROM pg_catalog.pg_settings WHERE name = $1',
        ['gin_pending_list_limit'],
      );
      return { startup: row?.[0] === asked ? 'kept' : 'dropped', refusal: undefined };
    } finally {
      await ended(client);
    }
  } catch (error) {
    if (!noteRefusal(url, error)) throw error;
    return { startup: 'refused', refusal: (error as Error).message };
  }
}

/** Compares the server's processes behind two connections: with a pooler by transaction, one meets the other's. */
async function probe(url: string, timeoutMs: number): Promise<Pooling | 'unknown'> {
  const { url: bare } = bareUrl(url);
  const first = await connected(bare, timeoutMs);
  let second: pg.Client | undefined;
  try {
    const { processID } = first as unknown as { readonly processID: number | null };
    // What a pooler gives its clients as their process is a number of its own.
    if ((await processOf(first)) === processID) return 'none';
    const other = await connected(bare, timeoutMs);
    second = other;
    const seen: readonly [Set<unknown>, Set<unknown>] = [new Set(), new Set()];
    for (let round = 0; round < rounds; round += 1) {
      seen[0].add(await processOf(first));
      if (!(await settledWithin(noted(other, seen[1]), timeoutMs))) return 'unknown';
      const [one, two] = seen;
      if (one.size > 1 || two.size > 1 || [...one].some((each) => two.has(each)))
        return await transactionOrStatement(first);
    }
    return seen[1].size === 0 ? 'unknown' : 'session';
  } finally {
    await Promise.all([ended(first), second === undefined ? undefined : ended(second)]);
  }
}

async function noted(client: pg.Client, seen: Set<unknown>): Promise<void> {
  seen.add(await processOf(client));
}

async function transactionOrStatement(client: pg.Client): Promise<Pooling> {
  try {
    await client.query('BEGIN');
    await client.query('ROLLBACK');
    return 'transaction';
  } catch {
    return 'statement';
  }
}

async function processOf(client: pg.Client): Promise<unknown> {
  const [row] = await rowsOf(client, 'SELECT pg_catalog.pg_backend_pid()', []);
  return row?.[0];
}

async function rowsOf(
  client: pg.Client,
  text: string,
  values: readonly string[],
): Promise<unknown[][]> {
  const { rows } = await client.query<unknown[]>({ text, values: [...values], rowMode: 'array' });
  return rows;
}

async function connected(url: string, timeoutMs: number, options?: string): Promise<pg.Client> {
  const client = new (postgresDriver().Client)({
    connectionString: url,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    application_name: 'changeover',
    ...(options === undefined ? {} : { options }),
  });
  // Without a listener, the loss of an idle connection ends the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await ended(client);
    throw error;
  }
}

async function ended(client: pg.Client): Promise<void> {
  if (await settledWithin(client.end(), 1_000)) return;
  (
    client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }
  ).connection.stream.destroy();
}
