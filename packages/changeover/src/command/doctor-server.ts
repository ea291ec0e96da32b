import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { PoolerFacts } from '@changeover/engines';
import type { DoctorCheck, DoctorFinding, DoctorSubject } from '@changeover/operate/command';

const waitMs = 5_000;
/** The oldest that its makers still mend. */
const oldestServer = 14;

/** What of `pg` is used here. */
interface Client {
  connect(): Promise<unknown>;
  query(text: string): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): unknown;
}

/** What answers one query. */
type AskServer = (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/** What is asked of a server. Each finds its own words. */
const serverQuestions: readonly ((ask: AskServer) => Promise<readonly DoctorFinding[]>)[] = [
  askVersion,
  askWritable,
  askSearchPath,
];

/** The PostgreSQL server of `DATABASE_URL`. */
export const serverChecks: readonly DoctorCheck[] = [{ name: 'PostgreSQL', run: checkServer }];

async function checkServer({ env, folder }: DoctorSubject): Promise<readonly DoctorFinding[]> {
  const url = env['DATABASE_URL'] ?? '';
  if (url !== '') return await askServer(url, folder);
  return [
    {
      check: 'PostgreSQL',
      status: 'ok',
      found: 'not looked at: DATABASE_URL names no server',
      todo: null,
    },
  ];
}

async function askServer(url: string, folder: string): Promise<readonly DoctorFinding[]> {
  let client: Client;
  try {
    client = openClient(url, folder);
    client.on('error', () => undefined);
    await client.connect();
  } catch (error) {
    return [
      {
        check: 'PostgreSQL',
        status: 'problem',
        // Never the URL: there may be a password in it.
        found: `the server of DATABASE_URL can't be reached: ${messageOf(error)}`,
        todo: 'check DATABASE_URL, the network, the user and its password',
      },
    ];
  }
  try {
    const findings: DoctorFinding[] = [];
    for (const question of serverQuestions)
      findings.push(...(await question(async (text) => (await client.query(text)).rows)));
    findings.push(await askWhatIsInFront(url));
    return findings;
  } finally {
    await client.end();
  }
}

async function askWhatIsInFront(url: string): Promise<DoctorFinding> {
  const check = 'pooler';
  try {
    const { detectPooler } = await import('@changeover/engines');
    return { check, ...inFront(await detectPooler(url, waitMs)) };
  } catch (error) {
    return {
      check,
      status: 'warning',
      found: `it can't be told whether there is one: ${messageOf(error)}`,
      todo: 'a few connections more than the one that works must be possible',
    };
  }
}

function inFront(facts: PoolerFacts): Omit<DoctorFinding, 'check'> {
  const { pooling, startupOptions, isForwarded } = facts;
  const settings =
    startupOptions === 'kept'
      ? ''
      : `; what a connection asks for at its start is ${startupOptions}, and is set once it is open`;
  switch (pooling) {
    case 'none':
      return {
        status: 'ok',
        found: isForwarded
          ? 'none; a proxy or a mapping of ports passes connections on'
          : 'none: connections are the server’s own',
        todo: null,
      };
    case 'session':
      return {
        status: 'ok',
        found: `one by session: each connection keeps one of the server’s${settings}`,
        todo: null,
      };
    case 'transaction':
      return {
        status: 'warning',
        found: `one by transaction (PgBouncer’s pool_mode)${settings}`,
        todo: 'session state is refused through it, as advisory locks, temporary tables and set_config(…, false): name the server itself in DATABASE_URL, or use pool_mode = session, where callers need that',
      };
    case 'statement':
      return {
        status: 'problem',
        found: 'one by statement, which refuses transactions (PgBouncer’s pool_mode)',
        todo: 'set pool_mode = transaction or session there, or name the server itself in DATABASE_URL',
      };
    case 'unknown':
      return {
        status: 'warning',
        found: 'one, and no second connection could be had to tell which kind',
        todo: 'it counts as one by transaction: raise its limit of connections, and ask again',
      };
  }
}

function openClient(url: string, folder: string): Client {
  const pg = createRequire(join(folder, 'x.js'))('pg') as {
    readonly Client: new (options: object) => Client;
  };
  return new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: waitMs,
    query_timeout: waitMs,
    application_name: 'changeover-doctor',
  });
}

async function askVersion(ask: AskServer): Promise<readonly DoctorFinding[]> {
  const [row] = await ask('show server_version_num');
  const number = Number(row?.['server_version_num']);
  const major = Math.floor(number / 10_000);
  const isOld = major < oldestServer;
  return [
    {
      check: 'PostgreSQL',
      status: isOld ? 'warning' : 'ok',
      found: `server version ${String(major)}.${String(number % 10_000)}`,
      todo: isOld ? `nothing here was tried with a version below ${String(oldestServer)}` : null,
    },
  ];
}

async function askWritable(ask: AskServer): Promise<readonly DoctorFinding[]> {
  const [row] = await ask(
    "select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') as read_only",
  );
  const [standby, readOnly] = [row?.['standby'] === true, row?.['read_only'] === 'on'];
  if (!standby && !readOnly)
    return [{ check: 'read-only', status: 'ok', found: 'no: it takes writes', todo: null }];
  return [
    {
      check: 'read-only',
      status: 'problem',
      found: standby ? 'the server is a standby' : 'default_transaction_read_only is on',
      todo: standby
        ? 'name the primary in DATABASE_URL: target_session_attrs, or its own host'
        : 'turn it off for this user or database: alter role … set default_transaction_read_only = off',
    },
  ];
}

async function askSearchPath(ask: AskServer): Promise<readonly DoctorFinding[]> {
  const [row] = await ask('show search_path');
  const path = String(row?.['search_path']);
  const isDefault = path === '"$user", public';
  return [
    {
      check: 'search_path',
      status: isDefault ? 'ok' : 'warning',
      found: path,
      todo: isDefault
        ? null
        : 'both legs must see the same one: set it for the role or the database, not on a connection',
    },
  ];
}

function messageOf(error: unknown): string {
  const { message, errors, code } = error as {
    readonly message?: string;
    readonly errors?: readonly { readonly message: string }[];
    readonly code?: string;
  };
  if (code === 'MODULE_NOT_FOUND') return 'pg is not installed (npm install pg)';
  return errors?.[0]?.message ?? message ?? String(error);
}
