import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Client } from 'pg';

const run = promisify(execFile);

/**
 * Does work while a PostgreSQL server on this machine has the second core to itself and this process the first, by `taskset`. Gives both
 * back all cores afterwards.
 *
 * @returns undefined where that can't be done here, and nothing was.
 */
export async function withServerOnOwnCore<T>(
  databaseUrl: string | undefined,
  work: () => Promise<T>,
): Promise<T | undefined> {
  const cores = availableParallelism();
  const server = cores < 2 ? undefined : await serverProcess(databaseUrl);
  if (server === undefined) return undefined;
  try {
    await pin(server, '1', '0');
  } catch {
    return undefined;
  }
  try {
    return await work();
  } finally {
    const all = `0-${cores - 1}`;
    await pin(server, all, all);
  }
}

/** What the server starts from now on has the core as well. */
async function pin(server: number, itsCores: string, ourCores: string): Promise<void> {
  for (const id of [server, ...childrenOf(server)]) await taskset(itsCores, id);
  await taskset(ourCores, process.pid);
}

async function taskset(cores: string, processId: number): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(processId)]);
}

/** The process whose children the server's connections are; undefined where it is not on this machine. */
async function serverProcess(databaseUrl: string | undefined): Promise<number | undefined> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: number }>('SELECT pg_backend_pid() AS id');
    return parentOf(rows[0]?.id ?? 0);
  } finally {
    await client.end();
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((id) => id > 0 && parentOf(id) === parent);
}

function parentOf(id: number): number | undefined {
  try {
    // Its name, in brackets, may hold anything.
    const [, parent] =
      readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return Number(parent);
  } catch {
    return undefined;
  }
}
