import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createBridge, read } from 'changeover';
import { bridgeOf } from 'changeover';
import { checkNode } from '../../packages/operate/src/command/doctor-checks.ts';
import {
  driverFinding,
  supportedPackages,
  threadPoolFinding,
} from '../../packages/changeover/src/command/doctor-drivers.ts';
import { root } from '../architecture/source-files.ts';
import { typeChangeover } from '../command/run-changeover.ts';
import { writeTestFlags } from '../command/write-test-flags.ts';

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly found: string;
  readonly todo: string | null;
}

let folder: string;
let flags: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-doctor-'));
  flags = join(folder, 'flags.json');
  writeTestFlags(flags, { notes: 'shadow' });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function doctor(
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; findings: readonly Finding[]; of: (check: string) => Finding }> {
  const { code, out, err } = await typeChangeover(
    ['doctor', '--format', 'json', '--folder', root, ...args],
    {
      CHANGEOVER_FLAGS: flags,
      CHANGEOVER_STORE: join(folder, 'comparisons.sqlite'),
      UV_THREADPOOL_SIZE: '16',
      ...env,
    },
  );
  expect(err).toBe('');
  const { findings } = JSON.parse(out) as { readonly findings: readonly Finding[] };
  const of = (check: string): Finding => {
    const found = findings.find((one) => one.check === check);
    if (found === undefined) throw new Error(`there is no finding of ${check}`);
    return found;
  };
  return { code, findings, of };
}

test('changeover doctor finds nothing wrong where all is as it should be', async () => {
  const { code, findings } = await doctor();
  expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect(code).toBe(0);
});

test('changeover doctor says in text what it found', async () => {
  const { out } = await typeChangeover(['doctor', '--flags', join(folder, 'none.json')], {
    CHANGEOVER_STORE: join(folder, 'comparisons.sqlite'),
  });
  expect(out).toContain('npx changeover init');
  expect(out).toMatch(/0 problems, \d warnings/);
});

describe('the store', () => {
  test('that a program has made is opened, written to and its version told', async () => {
    const storePath = join(folder, 'made.sqlite');
    const notes = createBridge({
      name: 'notes',
      legacy: () => ({ list: () => [] }),
      pooled: () => ({ list: () => [] }),
      operations: { list: read() },
      flagsFile: flags,
      storePath,
    });
    notes.list();
    await bridgeOf(notes).close();
    const { of, code } = await doctor(['--store', storePath]);
    expect(of('store')).toMatchObject({ status: 'ok' });
    expect(of('store').found).toMatch(/schema version \d+/);
    expect(code).toBe(0);
  });

  test("that is another program's database is a problem, and left as it is", async () => {
    const path = join(folder, 'other.sqlite');
    const other = new DatabaseSync(path);
    other.exec('create table mine (id integer)');
    other.close();
    const before = readFileSync(path);
    const { of, code } = await doctor(['--store', path]);
    expect(of('store')).toMatchObject({ status: 'problem' });
    expect(of('store').found).toContain("another program's database");
    expect(code).toBe(1);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('in a folder that is not there is a problem', async () => {
    const { of } = await doctor(['--store', join(folder, 'not/there/store.sqlite')]);
    expect(of('store')).toMatchObject({ status: 'problem' });
  });
});

describe('the flags', () => {
  test('that are missing are a warning that names changeover init', async () => {
    const { of, code } = await doctor(['--flags', join(folder, 'none.json')]);
    expect(of('flags')).toMatchObject({ status: 'warning' });
    expect(of('flags').todo).toContain('npx changeover init');
    expect(code).toBe(0);
  });

  test('that would be refused are a problem', async () => {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, '{"version": 2, "features": 1}');
    const { of, code } = await doctor(['--flags', bad]);
    expect(of('flags')).toMatchObject({ status: 'problem' });
    expect(of('flags').todo).toContain(`changeover flags validate ${bad}`);
    expect(code).toBe(1);
  });

  test('of a server that refuses the token are a problem', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(401).end();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    try {
      const { port } = server.address() as AddressInfo;
      const { of } = await doctor([], {
        UNLEASH_URL: `http://127.0.0.1:${String(port)}/api`,
        UNLEASH_TOKEN: 'wrong',
      });
      expect(of('flags')).toMatchObject({ status: 'problem' });
      expect(of('flags').found).toContain('401');
      expect(of('flags').todo).toContain('UNLEASH_TOKEN');
    } finally {
      server.close();
    }
  });
});

test('gates that can not be used are a problem', async () => {
  const gates = join(folder, 'bad-gates.json');
  writeFileSync(gates, '{"gates": {"key": ["nonsense"]}}');
  const { of, code } = await doctor(['--gates', gates]);
  expect(of('gates')).toMatchObject({ status: 'problem' });
  expect(code).toBe(1);
});

test('a ledger in a database that does not answer is a problem, and no password is shown', async () => {
  const { of, code, findings } = await doctor([], {
    CHANGEOVER_STORE: 'postgres://someone:secret@127.0.0.1:1/nowhere',
    CHANGEOVER_BASE_PATH: folder,
  });
  expect(of('ledger')).toMatchObject({ status: 'problem' });
  expect(code).toBe(1);
  expect(JSON.stringify(findings)).not.toContain('secret');
});

describe('the server of DATABASE_URL', () => {
  test('is asked for its version, whether it takes writes, its search path and what stands in front', async () => {
    const { of } = await doctor([], {
      DATABASE_URL: process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '',
    });
    expect(of('PostgreSQL').found).toMatch(/server version \d+\.\d+/);
    expect(of('read-only').status).toBe('ok');
    expect(of('search_path').found).toBe('"$user", public');
    expect(of('pooler')).toMatchObject({ status: 'ok', found: expect.stringMatching(/^none/) });
  });

  test.each([
    ['read-only', '-c default_transaction_read_only=on'],
    ['search_path', '-c search_path=elsewhere'],
  ])('with another %s is told of', async (check, options) => {
    const url = new URL(process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '');
    url.searchParams.set('options', options);
    const { of } = await doctor([], { DATABASE_URL: url.href });
    expect(of(check).status).not.toBe('ok');
    expect(of(check).todo).not.toBeNull();
  });

  test('that does not answer is a problem, and no password is shown', async () => {
    const { of, code, findings } = await doctor([], {
      DATABASE_URL: 'postgres://someone:secret@127.0.0.1:1/nowhere',
    });
    expect(of('PostgreSQL')).toMatchObject({ status: 'problem' });
    expect(code).toBe(1);
    expect(JSON.stringify(findings)).not.toContain('secret');
  });
});

describe('the drivers', () => {
  function installed(versions: Readonly<Record<string, string>>): string {
    const project = mkdtempSync(join(folder, 'project-'));
    for (const [name, version] of Object.entries(versions)) {
      const place = join(project, 'node_modules', name);
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version }));
    }
    return project;
  }

  test('that are too old are a problem that says what to install', async () => {
    const project = installed({ pg: '8.2.0', 'libpg-query': '18.1.5' });
    const { of, code } = await doctor(['--folder', project]);
    expect(of('pg')).toMatchObject({ status: 'problem', todo: 'npm install pg@8' });
    expect(code).toBe(1);
  });

  test('that are not installed are none, but for what another one needs', async () => {
    const { of, code, findings } = await doctor(['--folder', installed({ pg: '8.20.0' })]);
    expect(of('kysely')).toMatchObject({ status: 'ok' });
    expect(of('libpg-query')).toMatchObject({ status: 'warning' });
    expect(findings.filter(({ status }) => status === 'problem')).toEqual([]);
    expect(code).toBe(0);
  });

  test.each([
    ['13.2.0', '22.13.1', 'problem'],
    ['13.2.0', '22.14.0', 'ok'],
    ['12.4.1', '22.13.1', 'ok'],
  ])('better-sqlite3 %s on Node %s is judged', (version, node, status) => {
    const one = supportedPackages.find(({ name }) => name === 'better-sqlite3');
    expect(one && driverFinding(one, new Map([[one.name, version]]), node).status).toBe(status);
  });

  test.each([
    [undefined, 'warning'],
    ['4', 'warning'],
    ['16', 'ok'],
  ])('UV_THREADPOOL_SIZE %s is judged where DuckDB is installed', (typed, status) => {
    expect(threadPoolFinding(typed).status).toBe(status);
  });

  test("are held to the same versions as the packages' peers", () => {
    for (const { name, from } of supportedPackages) {
      const ranges = ['adapters', 'classify'].flatMap((one) => {
        const manifest = JSON.parse(
          readFileSync(join(root, 'packages', one, 'package.json'), 'utf8'),
        ) as { readonly peerDependencies?: Readonly<Record<string, string>> };
        return manifest.peerDependencies?.[name] ?? [];
      });
      for (const range of ranges) {
        const [, least = ''] = /^(?:>=|\^)?(\d+(?:\.\d+)?)/.exec(range) ?? [];
        if (least !== '')
          expect([name, from]).toEqual([name, least.includes('.') ? least : `${least}.0`]);
      }
    }
  });
});

test.each([
  ['20.19.0', 'problem'],
  ['22.12.0', 'problem'],
  ['22.13.0', 'ok'],
  ['26.0.0', 'ok'],
])('Node %s is a %s', (version, status) => {
  expect(checkNode(version).status).toBe(status);
});
