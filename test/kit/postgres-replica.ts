import {
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, type RunningPostgres } from '../../scripts/embedded-postgres.ts';
import { type RunningProgram, startProgram } from './installed-program.ts';

/** What a primary must be started with so that a replica can follow it. */
export const primarySettings = {
  wal_level: 'replica',
  max_wal_senders: '4',
  hot_standby: 'on',
} as const;

/** A replica that follows a primary until it is promoted. */
export interface RunningReplica extends RunningProgram {
  readonly url: string;
  /** Makes it the primary. Resolves when it takes writes. */
  promote(): Promise<void>;
}

/**
 * Starts a streaming replica of an embedded PostgreSQL, which was started with {@link primarySettings}: its data folder is copied
 * between `pg_backup_start` and `pg_backup_stop`, for the embedded package has no `pg_basebackup`.
 *
 * @throws where it doesn't start or can't be followed.
 */
export async function startReplica(primary: RunningPostgres): Promise<RunningReplica> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-replica-'));
  const data = join(folder, 'data');
  const port = await freePort();
  const admin = new pg.Client(primary.url);
  await admin.connect();
  const { rows: told } = await admin.query<{ source: string; binaries: string }>(
    `SELECT current_setting('data_directory') AS source, (SELECT setting FROM pg_config WHERE name = 'BINDIR') AS binaries`,
  );
  const { source = '', binaries = '' } = told[0] ?? {};
  await admin.query(`SELECT pg_backup_start('replica', true)`);
  cpSync(source, data, { recursive: true });
  const { rows } = await admin.query<{ label: string }>(
    'SELECT labelfile AS label FROM pg_backup_stop(false)',
  );
  await admin.end();
  chmodSync(data, 0o700);
  for (const name of ['postmaster.pid', 'postmaster.opts'])
    rmSync(join(data, name), { force: true });
  writeFileSync(join(data, 'backup_label'), rows[0]?.label ?? '');
  writeFileSync(join(data, 'standby.signal'), '');
  const { hostname, port: primaryPort, username, password } = new URL(primary.url);
  const settings = {
    ...primarySettings,
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    primary_conninfo: `host=${hostname} port=${primaryPort} user=${username} password=${password}`,
    wal_retrieve_retry_interval: '100ms',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const program = await startProgram({
    path: join(binaries, 'postgres'),
    files: {},
    args: () => ['-D', data, ...flags],
    user: process.getuid?.() === 0 ? owner(source, folder) : undefined,
    port,
  });
  const url = new URL(primary.url);
  url.port = String(port);
  const replica = url.href;
  await answering(replica);
  return {
    ...program,
    url: replica,
    promote: async () => {
      const client = new pg.Client(replica);
      await client.connect();
      await client.query('SELECT pg_promote(true, 10)');
      await client.end();
    },
    stop: async () => {
      // A smart shutdown would wait for every client.
      program.signal('SIGINT');
      await program.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Gives a folder to the user who owns another: PostgreSQL refuses to run as root. */
function owner(source: string, folder: string): { uid: number; gid: number } {
  const { uid, gid } = statSync(source);
  for (const name of ['', ...readdirSync(folder, { recursive: true }).map(String)])
    chownSync(join(folder, name), uid, gid);
  return { uid, gid };
}

/** Waits until the server answers: while it reads what was copied it takes connections and refuses them. */
async function answering(url: string): Promise<void> {
  const untilMs = performance.now() + 10_000;
  for (;;) {
    const client = new pg.Client(url);
    try {
      await client.connect();
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
