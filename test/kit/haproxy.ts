import { freePort } from '../../scripts/embedded-postgres.ts';
import { installedProgram, type RunningProgram, startProgram } from './installed-program.ts';

/** A HAProxy in front of servers. */
export interface RunningHaproxy extends RunningProgram {
  readonly port: number;
  /** The first server's URL through it. */
  readonly url: string;
}

/** Where HAProxy is; undefined where it isn't installed (Debian's package is `haproxy`). */
export function haproxyProgram(): string | undefined {
  return installedProgram('haproxy');
}

/**
 * Starts HAProxy on a free port of the loopback interface. It sends connections to the first of the servers that takes any, and ends
 * those to one that takes none any more.
 *
 * @param urls `postgres://` URLs, of one user and database.
 * @throws where it isn't installed or doesn't start.
 */
export async function startHaproxy(urls: readonly string[]): Promise<RunningHaproxy> {
  const path = haproxyProgram();
  const [first] = urls;
  if (path === undefined) throw new Error('haproxy is not installed');
  if (first === undefined) throw new Error('HAProxy needs a server');
  const port = await freePort();
  const servers = urls.map((url, at) => {
    const { hostname, port: serverPort } = new URL(url);
    return `  server s${String(at)} ${hostname}:${serverPort} check inter 100ms fall 2 rise 1 on-marked-down shutdown-sessions${at === 0 ? '' : ' backup'}`;
  });
  const program = await startProgram({
    path,
    files: {
      'haproxy.cfg': `${[
        'defaults',
        '  mode tcp',
        '  timeout connect 1s',
        '  timeout client 1h',
        '  timeout server 1h',
        `listen postgres`,
        `  bind 127.0.0.1:${String(port)}`,
        '  option tcp-check',
        ...servers,
      ].join('\n')}\n`,
    },
    args: (folder) => ['-db', '-f', `${folder}/haproxy.cfg`],
    port,
  });
  const through = new URL(first);
  through.hostname = '127.0.0.1';
  through.port = String(port);
  return { ...program, port, url: through.href };
}
