import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** How long a program may take to listen, and to end. */
const startMs = 10_000;
const stopMs = 5_000;

/** Where a program of the machine's is; undefined where it isn't installed. */
export function installedProgram(name: string): string | undefined {
  // Debian keeps servers where a plain user's PATH doesn't look.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A server program that lives as long as this process. */
export interface RunningProgram {
  /** Where its files are. */
  readonly folder: string;
  /** What it has said so far. */
  said(): string;
  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** How a server program is started. */
export interface ProgramOptions {
  readonly path: string;
  /** Files by name, written into a folder of its own. */
  readonly files: Readonly<Record<string, string>>;
  /** @param folder where the files are. */
  readonly args: (folder: string) => readonly string[];
  /** Runs it as another user. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Where it listens once it has started. */
  readonly port: number;
}

/**
 * Starts a server program and waits until it takes connections.
 *
 * @throws where it ends or doesn't listen in 10 s; the message holds what it said.
 */
export async function startProgram(options: ProgramOptions): Promise<RunningProgram> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-program-'));
  // It may run as another user.
  chmodSync(folder, 0o777);
  for (const [name, text] of Object.entries(options.files)) writeFileSync(join(folder, name), text);
  const child = spawn(options.path, options.args(folder), {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options.user,
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said.push(text);
      if (said.length > 200) said.shift();
    });
  }
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
    child.once('error', (error) => {
      said.push(error.message);
      resolve();
    });
  });
  const endWithUs = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', endWithUs);
  const stop = async (): Promise<void> => {
    process.off('exit', endWithUs);
    await endedInTime(child, ended);
    rmSync(folder, { recursive: true, force: true });
  };
  const untilMs = performance.now() + startMs;
  while (!(await listens(options.port))) {
    if (child.exitCode !== null || performance.now() > untilMs) {
      await stop();
      throw new Error(`${options.path} did not start: ${said.join('').slice(-2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    folder,
    said: () => said.join(''),
    signal: (name) => {
      child.kill(name);
    },
    stop,
  };
}

async function endedInTime(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
  await ended;
  clearTimeout(timer);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
