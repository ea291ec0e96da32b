import { keyTarget } from '@changeover/core';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Leg } from '@changeover/core';
import { openServerStageSource } from '@changeover/bridge';
import {
  createStorageBridge,
  type Stage,
  type StageSource,
  type StorageApi,
  type StorageBridge,
} from 'changeover';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engines } from '@changeover/engines';
import { silentLogger } from '@changeover/bridge';
import { UnleashServer, unleashTokens } from '../kit/unleash-server.ts';
import { type Outcome, typeChangeover } from './run-changeover.ts';
import { testFlags, writeTestFlags } from './write-test-flags.ts';

let server: UnleashServer;
let folder: string;
let source: StageSource;
/** What was answered to plan, apply and apply again, on a server where nothing was yet. */
const first: Outcome[] = [];

/** Flags on a real server, where every dataset of sqlite is on shadow. */
beforeAll(async () => {
  const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
  if (databaseUrl === undefined)
    throw new Error('CHANGEOVER_TEST_DATABASE_URL is not set: run the tests by npm test');
  folder = mkdtempSync(join(tmpdir(), 'changeover-unleash-'));
  server = new UnleashServer(databaseUrl);
  await server.start();
  // The ledger is in the store that a program makes.
  const bridge = openBridge();
  bridge.recorder.flush();
  await bridge.close();
  writeTestFlags(join(folder, 'first.json'), { sqlite: 'shadow' });
  for (const line of [
    ['plan', 'first.json'],
    ['apply', 'first.json'],
    ['apply', 'first.json'],
  ] as const) {
    first.push(
      await type(
        'flags',
        line[0],
        join(folder, line[1]),
        ...(line[0] === 'plan' ? [] : ['--reason', 'first']),
      ),
    );
  }
  source = openServerStageSource({
    url: server.url,
    token: unleashTokens.client,
    logger: silentLogger,
    refreshIntervalMs: 20,
  });
  await until('iris', 'shadow');
});

afterAll(async () => {
  await source.close();
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

function asked(dataset: string): string {
  return source.decide({ backend: 'sqlite', dataset, operation: 'readTable' }).stage;
}

/** Resolves when the server itself asks for that stage. */
async function until(dataset: string, stage: string): Promise<void> {
  while (source.status().source !== 'server' || asked(dataset) !== stage) await nextFlags();
}

/** Resolves when the server says something new. */
function nextFlags(): Promise<void> {
  return new Promise((resolve) => {
    const end = source.subscribe(() => {
      end();
      resolve();
    });
  });
}

function env(more: Record<string, string> = {}): Record<string, string> {
  return {
    CHANGEOVER_BASE_PATH: folder,
    CHANGEOVER_FLAGS: join(folder, 'pulled.json'),
    UNLEASH_URL: server.url,
    UNLEASH_TOKEN: unleashTokens.client,
    UNLEASH_ADMIN_TOKEN: unleashTokens.admin,
    ...more,
  };
}

const type = (...args: string[]): Promise<Outcome> => typeChangeover(args, env());
const because = ['--reason', 'drill', '--who', 'ada', '--unseen'] as const;
/** Flags that skip stages: what is tested is the way to the server, not the gates. */
const forced = ['--reason', 'drill', '--force'] as const;

function openBridge(decoratePooledLeg?: (leg: Leg<StorageApi>) => Leg<StorageApi>): StorageBridge {
  return createStorageBridge({
    basePath: folder,
    flagsFile: join(folder, 'none.json'),
    unleashUrl: server.url,
    ledger: false,
    unleashToken: unleashTokens.client,
    unleashAdminToken: unleashTokens.admin,
    logger: silentLogger,
    decoratePooledLeg,
  });
}

describe('with a token that may change flags', () => {
  test('rollback, resume, promote and kill turn the flag on the server as well', async () => {
    const bridge = openBridge();
    try {
      expect((await type('rollback', 'sqlite', 'titanic', ...because)).out).toContain(
        `The flag on ${server.url} is turned too.`,
      );
      await until('titanic', 'legacy');
      expect(asked('iris')).toBe('shadow');
      await type('resume', 'sqlite', 'titanic', ...because);
      await until('titanic', 'shadow');
      const { out } = await type('promote', 'sqlite', 'titanic', '--force', ...because);
      expect(out).toContain(`${server.url} has a strategy for titanic now`);
      await until('titanic', 'reverse');
      await type('kill', 'sqlite', '--reason', 'drill');
      await until('iris', 'legacy');
      await type('resume', 'sqlite', '--reason', 'drill');
      await until('iris', 'shadow');
      expect(asked('titanic')).toBe('reverse');
    } finally {
      await bridge.close();
    }
  });

  test('a server that refuses leaves the ledger right, and the command says so', async () => {
    const { code, out } = await typeChangeover(
      ['rollback', 'sqlite', 'iris', ...because],
      env({ UNLEASH_PROJECT: 'nowhere' }),
    );
    expect(code).toBe(0);
    expect(out).toMatch(
      /The ledger has it; the flag on .* is as it was: the flag server refused \(4\d\d\)/,
    );
    expect(asked('iris')).toBe('shadow');
    await type('resume', 'sqlite', 'iris', ...because);
  });

  test("a guardrail's breach turns the flag of its dataset back", async () => {
    const bridge = openBridge((leg) => ({
      ...leg,
      shadow: undefined,
      // Of its class, whose methods a copy would lack.
      api: Object.assign(Object.create(leg.api) as StorageApi, {
        readTable: () => Promise.resolve([{ id: 2 }]),
      }),
    }));
    try {
      const storage = bridge.storage('sqlite');
      await storage.createDataset('wrong');
      await storage.writeTable('wrong', 'train', [{ id: 1 }]);
      while (!bridge.guardrail.isHeld('sqlite', keyTarget('wrong'))) {
        await storage.readTable('wrong', 'train');
        await bridge.idle();
        await new Promise<void>((resolve) => {
          setTimeout(resolve, 20);
        });
      }
      await until('wrong', 'legacy');
      expect(asked('iris')).toBe('shadow');
    } finally {
      await bridge.close();
    }
  });
});

describe('flags pull', () => {
  test("writes the server's flags into a file that is valid and asks for the same", async () => {
    const bridge = openBridge();
    try {
      bridge.recorder.flush();
      expect(await type('flags', 'pull', '--reason', 'drill')).toMatchObject({ code: 0, err: '' });
      const file = join(folder, 'pulled.json');
      expect(await type('flags', 'validate', file)).toMatchObject({ code: 0 });
      const { out } = await typeChangeover(
        ['explain', 'sqlite', 'titanic', '--unseen', '--format', 'json'],
        { CHANGEOVER_BASE_PATH: folder, CHANGEOVER_FLAGS: file },
      );
      expect(JSON.parse(out)).toMatchObject({ flag: { stage: 'reverse', source: 'file' } });
      expect(readFileSync(file, 'utf8')).not.toContain(unleashTokens.client);
      expect((await type('history', '--limit', '1')).out).toContain(
        `was pulled from ${server.url}: drill`,
      );
    } finally {
      await bridge.close();
    }
  });
});

describe('flags apply', () => {
  /** A file that asks for `stage` on every dataset of sqlite. */
  function flagsFile(stage: Stage): string {
    const file = join(folder, `${stage}.json`);
    writeTestFlags(file, { sqlite: stage });
    return file;
  }

  const strategies = async (): Promise<
    { title: string | null; variants: { name: string; weight: number }[] }[]
  > =>
    (await server.admin(
      'GET',
      'projects/default/features/changeover.sqlite/environments/development/strategies',
    )) as never;

  const flag = async (name: string): Promise<{ dependencies: { feature: string }[] }> =>
    (await server.admin('GET', `projects/default/features/${name}`)) as never;
  const ledgerLength = async (): Promise<number> =>
    (
      JSON.parse((await type('history', '--format', 'json', '--limit', '1000')).out) as {
        lines: unknown[];
      }
    ).lines.length;

  test('gives a fresh server all that the file has, says so before, and changes nothing the second time', async () => {
    const [planned, applied, again] = first;
    const steps = [
      'changeover is added',
      'changeover is turned on',
      'changeover.sqlite is added',
      'changeover.duckdb is added',
      'changeover.postgresql is added',
      'dataset is a context field, with custom stickiness',
      ...engines.map((engine) => `changeover.${engine} depends on changeover`),
      ...engines.map((engine) => `changeover.${engine} has the file's strategies`),
      ...engines.map((engine) => `changeover.${engine} is turned on`).toReversed(),
    ];
    for (const outcome of [planned, applied]) {
      expect(outcome).toMatchObject({ code: 0, err: '' });
      expect(
        outcome?.out
          .split('\n')
          .filter((line) => line.startsWith('  '))
          .map((line) => line.trim()),
      ).toEqual(steps);
    }
    expect(planned?.out).toContain('Nothing was changed.');
    expect(again).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/has the flags of .* already\.\nNothing was changed\./),
    });
    expect((await flag('changeover.duckdb')).dependencies).toMatchObject([
      { feature: 'changeover' },
    ]);
    expect(source.status()).toMatchObject({ source: 'server', lastError: undefined });
    expect(
      (await type('history', '--limit', '1000')).out.match(/ is in use as http\S+: first$/gm),
    ).toHaveLength(1);
  });

  test('segments are found by name or added, and pull, apply and pull again give the same document', async () => {
    await server.admin('POST', 'segments', { name: 'not of ours', constraints: [] });
    const document = testFlags({ sqlite: 'shadow' });
    const sqlite = document.features.find(({ name }) => name === 'changeover.sqlite');
    Object.assign(sqlite?.strategies[0] ?? {}, { segments: [70, 71] });
    const segments = [
      {
        id: 70,
        name: 'old ones',
        constraints: [{ contextName: 'dataset', operator: 'STR_STARTS_WITH', values: ['old-'] }],
      },
      {
        id: 71,
        name: 'no tests',
        constraints: [
          { contextName: 'dataset', operator: 'IN', values: ['b', 'a'], inverted: true },
        ],
      },
    ];
    const [file, pulled] = [join(folder, 'segments.json'), join(folder, 'pulled-segments.json')];
    const write = (list: readonly object[]): void => {
      writeFileSync(file, JSON.stringify({ ...document, segments: list }));
    };
    const because = ['--reason', 'drill'] as const;
    write(segments);
    await type('rollback', 'sqlite', 'held-two', '--unseen', ...because);
    const { code, out, err } = await type('flags', 'apply', file, ...forced);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(
      /segment "old ones" is added\n {2}segment "no tests" is added\n {2}changeover.sqlite has the file's strategies\n/,
    );
    while (asked('old-one') !== 'shadow' || asked('iris') !== 'legacy') await nextFlags();
    expect((await type('flags', 'apply', file, ...forced)).out).toContain('Nothing was changed.');
    expect((await type('flags', 'pull', '--output', pulled, ...because)).code).toBe(0);
    const text = readFileSync(pulled, 'utf8');
    expect(text).toContain('"title": "changeover hold: held-two"');
    expect(text.match(/"feature": "changeover"/g)).toHaveLength(3);
    expect(JSON.parse(text)).toMatchObject({
      segments: segments.map(({ id: _, ...segment }) => segment),
    });
    const lines = await ledgerLength();
    expect((await type('flags', 'apply', pulled, ...forced)).out).toContain('Nothing was changed.');
    expect(await ledgerLength()).toBe(lines);
    // What a server without them is given is the same document, but for the segments' numbers.
    await type('flags', 'apply', join(folder, 'first.json'), ...forced);
    await until('iris', 'shadow');
    for (const { id, name } of (
      (await server.admin('GET', 'segments')) as { segments: { id: number; name: string }[] }
    ).segments) {
      if (name !== 'not of ours') await server.admin('DELETE', `segments/${String(id)}`);
    }
    expect((await type('flags', 'apply', pulled, ...forced)).out).toContain(
      'segment "old ones" is added',
    );
    while (asked('iris') !== 'legacy') await nextFlags();
    expect((await type('flags', 'pull', '--output', `${pulled}.again`, ...because)).code).toBe(0);
    const dealt = (one: string): string =>
      one.replaceAll(/("id": |"segments": \[\s*)\d+(,\s*\d+)?/g, '$1');
    expect(dealt(readFileSync(`${pulled}.again`, 'utf8'))).toBe(dealt(text));
    write(segments.map((segment) => ({ ...segment, constraints: [] })));
    expect(await type('flags', 'apply', file, ...forced)).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /Nothing was changed: segment "old ones" has other constraints on the server.*give the file's segment another name/,
      ),
    });
    write(segments.map(({ name: _, ...segment }) => segment));
    expect(await type('flags', 'apply', file, ...forced)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/segment 70 has no "name"/),
    });
    await type('flags', 'apply', join(folder, 'first.json'), ...forced);
    await until('iris', 'shadow');
  });

  test('a dependency that the file has not is taken away, and one that it has otherwise is set', async () => {
    const document = testFlags({ sqlite: 'shadow' });
    const file = join(folder, 'dependencies.json');
    const [sqlite, duckdb] = ['sqlite', 'duckdb'].map((engine) =>
      document.features.find(({ name }) => name === `changeover.${engine}`),
    );
    await type('flags', 'apply', join(folder, 'first.json'), ...forced);
    Object.assign(sqlite ?? {}, { dependencies: [] });
    Object.assign(duckdb ?? {}, { dependencies: [{ feature: 'changeover', enabled: false }] });
    writeFileSync(file, JSON.stringify(document));
    const { out } = await type('flags', 'apply', file, ...forced);
    expect(out).toMatch(
      /^ {2}changeover\.duckdb depends on changeover\n {2}changeover\.sqlite no longer depends on changeover$/m,
    );
    expect((await flag('changeover.sqlite')).dependencies).toEqual([]);
    expect((await flag('changeover.duckdb')).dependencies).toMatchObject([
      { feature: 'changeover', enabled: false },
    ]);
    await type('flags', 'apply', join(folder, 'first.json'), ...forced);
    expect((await flag('changeover.sqlite')).dependencies).toMatchObject([
      { feature: 'changeover', enabled: true },
    ]);
    expect((await type('flags', 'plan', join(folder, 'first.json'))).out).toContain(
      'has these flags already',
    );
  });

  test("gives each flag on the server the file's strategies in one step, and leaves holds before them", async () => {
    const bridge = openBridge();
    try {
      bridge.recorder.flush();
      await type('rollback', 'sqlite', 'held-one', ...because);
      await until('held-one', 'legacy');
      const stagesSeen = new Set<string>();
      const end = source.subscribe(() => {
        stagesSeen.add(asked('iris'));
      });
      expect(await type('flags', 'apply', flagsFile('reverse'), ...forced, '--plan')).toMatchObject(
        { code: 0, err: '' },
      );
      expect((await strategies()).map(({ title }) => title)).toContain('changeover hold: held-one');
      const { code, out, err } = await type('flags', 'apply', flagsFile('reverse'), ...forced);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toContain(`${server.url} has the flags of`);
      await until('iris', 'reverse');
      end();
      expect([...stagesSeen].filter((stage) => stage !== 'shadow' && stage !== 'reverse')).toEqual(
        [],
      );
      expect(asked('held-one')).toBe('legacy');
      const all = await strategies();
      const holds = all.findIndex(({ title }) => title?.startsWith('changeover hold: ') !== true);
      expect(all.slice(0, holds).map(({ title }) => title)).toContain('changeover hold: held-one');
      expect(
        all.slice(holds).map(({ variants }) => variants.filter(({ weight }) => weight > 0)),
      ).toMatchObject([[{ name: '2-reverse', weight: 1_000 }]]);
      expect((await type('history', '--limit', '1')).out).toMatch(
        /reverse\.json is in use as http.*: drill/,
      );
      await type('flags', 'apply', flagsFile('shadow'), '--reason', 'drill');
      await until('iris', 'shadow');
      await type('resume', 'sqlite', 'held-one', ...because);
    } finally {
      await bridge.close();
    }
  });

  test('a backend that was killed stays off on the server until it is resumed', async () => {
    const bridge = openBridge();
    const isOn = async (): Promise<boolean> =>
      (
        (await server.admin(
          'GET',
          'projects/default/features/changeover.sqlite/environments/development',
        )) as { enabled: boolean }
      ).enabled;
    try {
      bridge.recorder.flush();
      await type('kill', 'sqlite', '--reason', 'drill');
      expect(await isOn()).toBe(false);
      const { out } = await type('flags', 'apply', flagsFile('shadow'), '--reason', 'drill');
      expect(out).toContain(
        'changeover.sqlite stays off: all of sqlite is held. End it: changeover resume sqlite --reason "..."',
      );
      expect(await isOn()).toBe(false);
      await type('resume', 'sqlite', '--reason', 'drill');
      expect(await isOn()).toBe(true);
      await until('iris', 'shadow');
    } finally {
      await bridge.close();
    }
  });

  test('weights of several variants are on the server what the file has', async () => {
    const bridge = openBridge();
    try {
      bridge.recorder.flush();
      const document = testFlags({ sqlite: 'shadow' });
      const [variants] = document.features
        .filter(({ name }) => name === 'changeover.sqlite')
        .flatMap((feature) => feature.strategies.map((strategy) => strategy.variants));
      const wanted = [100, 650, 250, 0];
      variants?.forEach((variant, at) => {
        Object.assign(variant, { weight: wanted[at] });
      });
      const file = join(folder, 'weights.json');
      writeFileSync(file, JSON.stringify(document));
      expect(await type('flags', 'apply', file, ...forced)).toMatchObject({
        code: 0,
        err: '',
      });
      expect(
        (await strategies()).map((one) => one.variants.map(({ weight }) => weight)),
      ).toContainEqual(wanted);
      await type('flags', 'apply', flagsFile('shadow'), ...forced);
    } finally {
      await bridge.close();
    }
  });

  /** A server whose flags can be read, and whose admin API does as told: what a real one can't be made to do. */
  async function stub(
    answer: (line: string, response: ServerResponse) => void,
  ): Promise<{ url: string; asked: string[]; close(): void }> {
    const requests: string[] = [];
    const stubbed = createServer((request, response) => {
      if (request.url?.includes('/client/') === true) {
        json(response, 200, testFlags({ sqlite: 'shadow' }));
        return;
      }
      const line = `${request.method ?? ''} ${request.url?.replace(/^.*(?=changeover)/, '') ?? ''}`;
      requests.push(line);
      answer(line, response);
    });
    await new Promise<void>((resolve) => {
      stubbed.listen(0, '127.0.0.1', resolve);
    });
    const close = (): void => {
      stubbed.closeAllConnections();
      stubbed.close();
    };
    return {
      url: `http://127.0.0.1:${String((stubbed.address() as AddressInfo).port)}/api`,
      asked: requests,
      close,
    };
  }
  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const read = (line: string): unknown => {
    if (line.endsWith('/strategies')) return [];
    if (line.endsWith('/context')) return [{ name: 'dataset', stickiness: true }];
    if (line.endsWith('/overview')) return { environments: [{ environment: 'development' }] };
    return {
      environments: [{ name: 'development', enabled: true, strategies: [] }],
      dependencies: [{ feature: 'changeover' }],
    };
  };
  const apply = (url: string, more: Record<string, string> = {}): Promise<Outcome> =>
    typeChangeover(
      ['flags', 'apply', flagsFile('reverse'), '--reason', 'drill', '--force'],
      env({ UNLEASH_URL: url, ...more }),
    );

  const faults: readonly [string, (line: string, response: ServerResponse) => void, RegExp][] = [
    [
      'refuses the token',
      (_line, response) => {
        json(response, 401, { message: 'no such token' });
      },
      /Nothing was changed: the flag server refused \(401\): no such token/,
    ],
    [
      'refuses the change',
      (line, response) => {
        json(
          response,
          line.startsWith('GET') ? 200 : 403,
          line.startsWith('GET') ? read(line) : { message: 'you lack a permission' },
        );
      },
      /Nothing was changed: the flag server refused \(403\): you lack a permission/,
    ],
    [
      'hangs',
      () => undefined,
      /Nothing was changed: http:\/\/127\.0\.0\.1:\d+ did not answer within 5 s/,
    ],
    [
      'answers rubbish',
      (_line, response) => {
        response.end('<html>');
      },
      /Nothing was changed: .* answered what is no JSON: is UNLEASH_URL/,
    ],
    [
      'hangs up',
      (_line, response) => {
        response.destroy();
      },
      /Nothing was changed: .* can't be reached: UND_ERR_SOCKET/,
    ],
  ];

  test('a server that refuses, hangs, answers rubbish or is not there changes nothing, and the command says so', async () => {
    const before = await ledgerLength();
    const away = await stub(() => undefined);
    away.close();
    await Promise.all([
      ...faults.map(async ([name, answer, message]) => {
        const { url, close } = await stub(answer);
        const { code, err } = await apply(url);
        close();
        expect([name, code, err]).toEqual([name, 1, expect.stringMatching(message)]);
      }),
      ...(
        [
          [away.url, {}, /Nothing was changed: .* can't be reached: ECONNREFUSED/],
          [
            server.url,
            { UNLEASH_PROJECT: 'nowhere' },
            /Nothing was changed: the flag server refused \(4\d\d\)/,
          ],
          [
            server.url,
            { UNLEASH_ADMIN_TOKEN: '' },
            /Set UNLEASH_ADMIN_TOKEN .* Nothing was changed/,
          ],
        ] as const
      ).map(async ([url, more, message]) => {
        expect(await apply(url, more)).toMatchObject({
          code: 1,
          err: expect.stringMatching(message),
        });
      }),
    ]);
    expect(await ledgerLength()).toBe(before);
    expect(asked('iris')).toBe('shadow');
  });

  test('a server that fails half-way is told of, flag by flag, and keeps nothing half of one flag', async () => {
    const {
      url,
      asked: requests,
      close,
    } = await stub((line, response) => {
      if (line.startsWith('GET')) json(response, 200, read(line));
      else if (line.includes('duckdb') && line.endsWith('set-sort-order'))
        json(response, 500, { message: 'no disk' });
      else json(response, 200, { id: 'made' });
    });
    const before = await ledgerLength();
    try {
      const { code, err } = await apply(url);
      expect(code).toBe(1);
      expect(err).toMatch(
        /Only a part was changed \(changeover\.sqlite has the file's strategies\)/,
      );
      expect(err).toMatch(
        /type the same again for the rest: the flag server refused \(500\): no disk/,
      );
      expect(requests.filter((line) => line.startsWith('DELETE'))).toEqual([
        'DELETE changeover.duckdb/environments/development/strategies/made',
      ]);
      expect(requests.some((line) => line.startsWith('POST') && line.includes('postgresql'))).toBe(
        false,
      );
      expect(await ledgerLength()).toBe(before);
    } finally {
      close();
    }
  });
});
