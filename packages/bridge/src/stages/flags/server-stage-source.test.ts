import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { stages, systemClock, type Stage } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { openServerStageSource, type ServerStageSourceOptions } from './server-stage-source.ts';
import type { StageContext, StageSource } from './stage-source.ts';
import { variantNames } from './stage-variant.ts';

const context: StageContext = { backend: 'sqlite', dataset: 'titanic', operation: 'readTable' };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let folder: string;
let server: Server;
let url: string;
let answer: Answer;
let requests: IncomingMessage[];
let sources: StageSource[];
let lines: { level: string; message: string }[];
let waiting: (() => void)[];

function wake(): void {
  for (const one of waiting.splice(0)) one();
}

/** Resolves once `holds` does, looking after each request and each line of the log. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds())
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
}

const record =
  (level: string) =>
  (_fields: object, message: string): void => {
    lines.push({ level, message });
    wake();
  };
const logger: Logger = {
  debug: record('debug'),
  info: record('info'),
  warn: record('warn'),
  error: record('error'),
};
const errors = (): string[] =>
  lines.filter(({ level }) => level === 'error').map(({ message }) => message);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-server-flags-'));
  requests = [];
  sources = [];
  lines = [];
  waiting = [];
  answer = (_request, response) => {
    response.writeHead(500).end();
  };
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
    wake();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/api`;
});

afterEach(async () => {
  for (const source of sources) await source.close();
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  rmSync(folder, { recursive: true, force: true });
});

function open(options: Partial<ServerStageSourceOptions> = {}): StageSource {
  const source = openServerStageSource({
    url,
    token: 'a-token',
    logger,
    refreshIntervalMs: 5,
    timeoutMs: 5_000,
    clock: systemClock,
    ...options,
  });
  sources.push(source);
  source.subscribe(wake);
  return source;
}

function flag(stage: Stage, name = 'changeover.sqlite'): object {
  const variants = [
    { name: variantNames[stages.indexOf(stage)], weight: 1000, stickiness: 'dataset' },
  ];
  const parameters = { rollout: '100', stickiness: 'dataset', groupId: name };
  return { name, enabled: true, strategies: [{ name: 'flexibleRollout', parameters, variants }] };
}

const text = (...features: object[]): string => JSON.stringify({ version: 2, features });
const json =
  (body: string): Answer =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  };
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response.writeHead(code, headers).end('no');
  };

describe('a server that answers', () => {
  test('decides, and each change is told', async () => {
    answer = json(text(flag('shadow')));
    const source = open();
    expect(source.decide(context)).toMatchObject({ stage: 'legacy', source: 'default' });
    await until(() => source.decide(context).stage === 'shadow');
    expect(source.decide(context).source).toBe('server');
    await until(() => !source.status().stale);
    expect(source.status()).toMatchObject({ source: 'server', lastError: undefined });
    answer = json(text(flag('reverse')));
    await until(() => source.decide(context).stage === 'reverse');
  });

  test('is asked with the token and the tag of the last answer, and "not modified" keeps the flags', async () => {
    answer = (request, response) => {
      if (request.headers['if-none-match'] === '"one"') response.writeHead(304).end();
      else response.writeHead(200, { etag: '"one"' }).end(text(flag('shadow')));
    };
    const source = open();
    await until(() => requests.length >= 4);
    expect(requests[0]).toMatchObject({
      url: '/api/client/features',
      headers: { authorization: 'a-token' },
    });
    const tags = new Set(requests.slice(1).map(({ headers }) => headers['if-none-match']));
    expect(tags).toEqual(new Set(['"one"']));
    expect(source.decide(context).stage).toBe('shadow');
    expect(source.status().stale).toBe(false);
  });

  test('is asked for a project where one is named', async () => {
    open({ project: 'my project' });
    await until(() => requests.length > 0);
    expect(requests[0]?.url).toBe('/api/client/features?project=my+project');
  });

  test('one flag that can not be used falls back alone, and is told once', async () => {
    answer = json(text(flag('shadow'), flag('shadow', 'changeover.duckdb')));
    const source = open();
    await until(() => source.decide(context).stage === 'shadow');
    answer = json(
      text({ ...flag('pooled'), enabled: 'yes' }, flag('reverse', 'changeover.duckdb')),
    );
    await until(() => source.decide({ ...context, backend: 'duckdb' }).stage === 'reverse');
    expect(source.decide(context)).toMatchObject({ stage: 'shadow', source: 'last-known-good' });
    const seen = requests.length;
    await until(() => requests.length > seen + 5);
    expect(errors()).toEqual([
      expect.stringMatching(/"changeover.sqlite".+enabled: found "yes"; write true or false/),
    ]);
    expect(source.status()).toMatchObject({
      stale: true,
      lastError: { message: expect.stringMatching(/enabled/) },
    });
    answer = json(text(flag('pooled'), flag('reverse', 'changeover.duckdb')));
    await until(() => source.decide(context).stage === 'pooled');
    expect(source.status()).toMatchObject({ stale: false, lastError: undefined });
  });

  test('an answer without any of our flags is not taken', async () => {
    answer = json(text(flag('shadow')));
    const source = open();
    await until(() => source.decide(context).stage === 'shadow');
    answer = json(text());
    await until(() => errors().length > 0);
    expect(errors()[0]).toMatch(/there is no usable flag/);
    expect(source.decide(context)).toMatchObject({ stage: 'shadow', source: 'server' });
  });
});

describe('a server that makes trouble', () => {
  const rubbish: [string, Answer][] = [
    ['401', status(401)],
    ['403', status(403)],
    ['404', status(404)],
    ['429', status(429, { 'retry-after': '0' })],
    ['500', status(500)],
    ['a redirect', status(302, { location: 'http://127.0.0.1:1/' })],
    ['a page', json('<html>Sign in</html>')],
    ['half an answer', json(text(flag('pooled')).slice(0, 80))],
    ['a number', json('7')],
    ['null', json('null')],
    ['features that are no list', json('{"version":2,"features":{"a":1}}')],
    ['features that are nothing', json('{"version":2,"features":[null,1,"x",{}]}')],
    [
      'an answer cut off',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '9999' }).write('{"ver');
        response.destroy();
      },
    ],
    [
      'a reset',
      (request) => {
        request.socket.resetAndDestroy();
      },
    ],
  ];

  test.each(rubbish)(
    '%s leaves the flags in force, ends nothing, and the next good answer counts',
    async (_, bad) => {
      answer = json(text(flag('shadow')));
      const source = open();
      await until(() => source.decide(context).stage === 'shadow');
      answer = bad;
      await until(() => source.status().lastError !== undefined);
      const seen = requests.length;
      await until(() => requests.length >= seen + 3);
      expect(source.decide(context)).toMatchObject({ stage: 'shadow', source: 'server' });
      answer = json(text(flag('reverse')));
      await until(() => source.decide(context).stage === 'reverse');
      expect(source.status().lastError).toBeUndefined();
    },
  );

  test('one that hangs is given up, told once, and found again', async () => {
    answer = json(text(flag('shadow')));
    const source = open({ timeoutMs: 20 });
    await until(() => source.decide(context).stage === 'shadow');
    // On a busy machine an answer may take longer than that too: then it was told of before, and of its end.
    const heard = (): readonly string[] =>
      lines
        .filter(({ message }) => /flag server (is silent|answers again)/.test(message))
        .map(({ level }) => (level === 'error' ? 'silent' : 'again'));
    let hung = 0;
    answer = () => {
      hung += 1;
    };
    await until(() => hung >= 4 && heard().at(-1) === 'silent');
    expect(heard().join(' ')).not.toMatch(/silent silent/);
    expect(errors().at(-1)).toMatch(
      /is silent \(no answer( within 20 ms)?\); flags stay as they are \(server\)/,
    );
    expect(source.status().stale).toBe(true);
    answer = json(text(flag('reverse')));
    await until(() => source.decide(context).stage === 'reverse');
    expect(heard().at(-1)).toBe('again');
  });

  test('a token that is changed at run time is used by the next request', async () => {
    answer = (request, response) => {
      if (request.headers.authorization === 'new') json(text(flag('shadow')))(request, response);
      else status(401)(request, response);
    };
    let token = 'old';
    const source = open({ token: () => token });
    await until(() => source.status().lastError !== undefined);
    expect(source.status().lastError?.message).toMatch(/refuses the token \(401\)/);
    token = 'new';
    await until(() => source.decide(context).stage === 'shadow');
  });

  test.each([
    'http://127.0.0.1:1/api',
    'http://no-such-host.invalid/api',
    'nonsense',
    'ftp://127.0.0.1/api',
  ])('an address where nobody answers (%s) means the file, and nothing ends', async (address) => {
    const filePath = join(folder, 'flags.json');
    writeFileSync(filePath, text(flag('reverse')));
    const source = open({ url: address, filePath, timeoutMs: 200 });
    expect(source.decide(context)).toMatchObject({ stage: 'reverse', source: 'file' });
    await until(() => errors().length > 0);
    expect(source.status()).toMatchObject({ source: 'file', stale: true });
    expect(errors()[0]).toMatch(/the flag server is silent .+ flags stay as they are \(file\)/);
  });

  test('closing while a request is out ends it, and nothing is told any more', async () => {
    answer = () => undefined;
    const source = open({ timeoutMs: 60_000 });
    await until(() => requests.length > 0);
    const ended = new Promise<void>((resolve) => {
      requests[0]?.on('close', resolve);
    });
    await source.close();
    await source.close();
    await ended;
    expect(lines).toEqual([]);
  });
});

describe('the last known good flags', () => {
  const lastKnownGoodPath = (): string => join(folder, 'kept', 'flags.json');

  test('are there at the next start, without the server, in the same tick', async () => {
    answer = json(text(flag('shadow')));
    const first = open({ lastKnownGoodPath: lastKnownGoodPath() });
    await until(() => first.decide(context).stage === 'shadow');
    await first.close();
    answer = status(503);
    const filePath = join(folder, 'flags.json');
    writeFileSync(filePath, text(flag('pooled'), flag('pooled', 'changeover.duckdb')));
    const second = open({ lastKnownGoodPath: lastKnownGoodPath(), filePath });
    expect(second.decide(context)).toMatchObject({ stage: 'shadow', source: 'last-known-good' });
    expect(second.decide({ ...context, backend: 'duckdb' })).toMatchObject({
      stage: 'pooled',
      source: 'file',
    });
    expect(second.decide({ ...context, backend: 'postgresql' })).toMatchObject({
      stage: 'legacy',
      source: 'default',
    });
    expect(second.status()).toMatchObject({ source: 'last-known-good', stale: true });
  });

  test('are readable by their owner alone, and no draft stays', async () => {
    answer = json(text(flag('shadow')));
    const source = open({ lastKnownGoodPath: lastKnownGoodPath() });
    await until(() => source.decide(context).stage === 'shadow');
    expect(statSync(lastKnownGoodPath()).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'kept')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(folder, 'kept'))).toEqual(['flags.json']);
    expect(readFileSync(lastKnownGoodPath(), 'utf8')).not.toContain('a-token');
  });

  test('are not those of another server', async () => {
    answer = json(text(flag('shadow')));
    const first = open({ lastKnownGoodPath: lastKnownGoodPath() });
    await until(() => first.decide(context).stage === 'shadow');
    const second = open({ lastKnownGoodPath: lastKnownGoodPath(), url: 'http://127.0.0.1:1/api' });
    expect(second.decide(context).stage).toBe('legacy');
  });

  test.each(['', '{', '[]', '{"url":1}'])('that hold %j are passed over', (content) => {
    const path = join(folder, 'flags.json');
    writeFileSync(path, content);
    expect(open({ lastKnownGoodPath: path }).decide(context).stage).toBe('legacy');
  });

  test('that can not be written are told, and the flags count all the same', async () => {
    writeFileSync(join(folder, 'kept'), 'a file where the folder should be');
    answer = json(text(flag('shadow')));
    const source = open({ lastKnownGoodPath: lastKnownGoodPath() });
    await until(() => source.decide(context).stage === 'shadow');
    expect(errors()).toContainEqual(expect.stringMatching(/could not be written/));
  });
});
