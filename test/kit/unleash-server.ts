import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';

/** Tokens that the server is given at its start. */
export const unleashTokens = {
  admin: '*:*.changeover-tests-admin',
  client: '*:development.changeover-tests-client',
} as const;

const serverScript = `
  import pg from 'pg';
  import { start } from 'unleash-server';
  const [address, name, port] = process.argv.slice(1);
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
  if (rowCount === 0) await client.query('create database ' + name);
  await client.end();
  const databaseUrl = new URL(address);
  databaseUrl.pathname = '/' + name;
  const token = (tokenName, type, environment, secret) =>
    ({ tokenName, type, environment, secret, projects: ['*'], username: tokenName });
  const { server } = await start({
    databaseUrl: databaseUrl.href, db: { ssl: false },
    server: { port: Number(port), host: '127.0.0.1', gracefulShutdownEnable: false },
    logLevel: 'fatal', versionCheck: { enable: false },
    authentication: { type: 'open-source', initApiTokens: [
      token('admin', 'admin', '*', ${JSON.stringify(unleashTokens.admin)}),
      token('client', 'client', 'development', ${JSON.stringify(unleashTokens.client)}),
    ] },
  });
  console.log('PORT ' + server.address().port);
  // Not left behind when the tests are killed.
  process.stdin.on('end', () => { process.exit(); }).resume();
`;

const dropScript = `
  import pg from 'pg';
  const client = new pg.Client({ connectionString: process.argv[1] });
  await client.connect();
  await client.query('drop database if exists ' + process.argv[2] + ' with (force)');
  await client.end();
`;

/** A real Unleash server on the tests' PostgreSQL, in a process of its own, so that it can be killed. */
export class UnleashServer {
  readonly #databaseUrl: string;
  readonly #database = `unleash_${randomBytes(6).toString('hex')}`;
  #child: ChildProcess | undefined = undefined;
  #port = 0;

  /** @param databaseUrl of the PostgreSQL server: this one gets a database of its own there. */
  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
  }

  /** What `UNLEASH_URL` would be. */
  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}/api`;
  }

  /** Resolves when it listens; after {@link kill}, at the same port and with the same flags. */
  async start(): Promise<void> {
    const child = run(serverScript, [this.#databaseUrl, this.#database, String(this.#port)]);
    this.#child = child;
    if (child.stdout === null) throw new Error('no output to read');
    for await (const line of createInterface(child.stdout)) {
      const found = /^PORT (\d+)$/.exec(line);
      if (found === null) continue;
      this.#port = Number(found[1]);
      return;
    }
    throw new Error('the Unleash server ended before it listened');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        resolve();
      });
    });
    child.kill('SIGKILL');
    await ended;
  }

  /** Kills it, and removes its database. */
  async remove(): Promise<void> {
    await this.kill();
    const dropped = run(dropScript, [this.#databaseUrl, this.#database]);
    await new Promise<void>((resolve) => {
      dropped.once('exit', () => {
        resolve();
      });
    });
  }

  /** Asks its admin API. */
  async admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.url}/admin/${path}`, {
      method,
      headers: { authorization: unleashTokens.admin, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}

function run(script: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '--eval', script, ...args], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}
