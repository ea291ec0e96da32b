import { freePort } from '../../scripts/embedded-postgres.ts';
import { installedProgram, type RunningProgram, startProgram } from './installed-program.ts';

/** How a PgBouncer is set. */
export interface PgbouncerOptions {
  /** The server behind it, as a `postgres://` URL whose user is every client's. */
  readonly url: string;
  /** Default: `transaction`. */
  readonly poolMode?: 'session' | 'transaction' | 'statement' | undefined;
  /** What clients may ask for at their start without getting it. Default: nothing. */
  readonly ignoreStartupParameters?: readonly string[] | undefined;
  /** Other settings, as in `pgbouncer.ini`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** A PgBouncer in front of a server. */
export interface RunningPgbouncer extends RunningProgram {
  readonly port: number;
  /** The server's URL through it. */
  readonly url: string;
}

/** Where PgBouncer is; undefined where it isn't installed (Debian's package is `pgbouncer`). */
export function pgbouncerProgram(): string | undefined {
  return installedProgram('pgbouncer');
}

/** Starts PgBouncer on a free port of the loopback interface, as root or as a plain user. It asks its clients for no password.
 *
 * @throws where it isn't installed or doesn't start. */
export async function startPgbouncer(options: PgbouncerOptions): Promise<RunningPgbouncer> {
  const path = pgbouncerProgram();
  if (path === undefined) throw new Error('pgbouncer is not installed');
  const { hostname, port: serverPort, username, password } = new URL(options.url);
  const port = await freePort();
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: options.poolMode ?? 'transaction',
    ignore_startup_parameters: (options.ignoreStartupParameters ?? []).join(', '),
    max_client_conn: '300',
    default_pool_size: '20',
    ...options.settings,
  };
  const target = `host=${hostname} port=${serverPort} user=${username} password=${decodeURIComponent(password)}`;
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const program = await startProgram({
    path,
    files: {
      'pgbouncer.ini': `[databases]\n* = ${target}\n[pgbouncer]\n${lines.join('\n')}\n`,
    },
    // It refuses to run as root.
    args: (folder) => [
      ...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []),
      `${folder}/pgbouncer.ini`,
    ],
    port,
  });
  const through = new URL(options.url);
  through.hostname = '127.0.0.1';
  through.port = String(port);
  return { ...program, port, url: through.href };
}
