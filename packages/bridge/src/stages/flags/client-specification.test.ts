import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '@changeover/core';
import type { ClientFeaturesResponse, Context } from 'unleash-client';
import { FlagEvaluator } from './flag-evaluator.ts';
import { FlagPoller } from './flag-poller.ts';
import { checkFlags } from './flags-document.ts';

// The Unleash project's own cases, which every client of it must answer alike, by both ways that flags come in.

interface Specification {
  readonly name: string;
  readonly state: { readonly features?: unknown };
  readonly tests?: readonly Case<boolean>[];
  readonly variantTests?: readonly Case<object>[];
}

interface Case<Expected> {
  readonly description: string;
  readonly context: Context;
  readonly toggleName: string;
  readonly expectedResult: Expected;
}

interface ExpectedVariant {
  readonly name: string;
  readonly enabled: boolean;
  readonly feature_enabled: boolean;
  readonly payload?: { readonly value: string };
}

const folder = join(
  dirname(createRequire(import.meta.url).resolve('@unleash/client-specification/package.json')),
  'specifications',
);
const specifications = readdirSync(folder)
  .filter((file) => /^\d.*\.json$/.test(file))
  .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Specification)
  // The others are about a format that sends changes, which is neither asked for nor a file's.
  .filter(({ state }) => state.features !== undefined);

let server: Server;
let served = '';

beforeAll(async () => {
  server = createServer((_request, response) => {
    response.writeHead(200).end(served);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
});

/** As a file's flags are loaded. */
function fromFile(state: unknown): Promise<ClientFeaturesResponse | undefined> {
  const { data, problems } = checkFlags(JSON.parse(JSON.stringify(state)), 'file');
  expect(problems).toEqual([]);
  return Promise.resolve(data);
}

/** As a server's flags are loaded. */
async function fromServer(state: unknown): Promise<ClientFeaturesResponse | undefined> {
  served = JSON.stringify(state);
  const document = await new Promise((resolve, reject) => {
    const poller = new FlagPoller({
      url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/api`,
      token: 'any',
      appName: 'test',
      refreshIntervalMs: 60_000,
      timeoutMs: 5_000,
      clock: systemClock,
      random: () => 0,
      onOutcome: (outcome) => {
        poller.close();
        if (outcome.kind === 'data') resolve(outcome.document);
        else reject(new Error(outcome.kind === 'failed' ? outcome.message : outcome.kind));
      },
    });
  });
  return checkFlags(document, 'server').data;
}

test('the cases are there', () => {
  const cases = specifications.flatMap(({ tests = [], variantTests = [] }) => [
    ...tests,
    ...variantTests,
  ]);
  expect(cases.length).toBeGreaterThan(250);
});

describe.each([
  ['file', fromFile],
  ['server', fromServer],
] as const)('from a %s', (_origin, load) => {
  describe.each(specifications)('$name', ({ state, tests = [], variantTests = [] }) => {
    let evaluator: FlagEvaluator;

    beforeAll(async () => {
      const data = await load(state);
      if (data === undefined) throw new Error('not loaded');
      evaluator = new FlagEvaluator();
      evaluator.load(data);
    });

    for (const { description, context, toggleName, expectedResult } of tests) {
      test(description, () => {
        expect(evaluator.isEnabled(toggleName, context)).toBe(expectedResult);
      });
    }

    for (const { description, context, toggleName, expectedResult } of variantTests) {
      test(description, () => {
        const { name, enabled, flagEnabled, payload } = evaluator.variant(toggleName, context);
        const expected = expectedResult as ExpectedVariant;
        expect({ name, enabled, flagEnabled, payload }).toEqual({
          name: expected.name,
          enabled: expected.enabled,
          flagEnabled: expected.feature_enabled,
          payload: expected.payload?.value,
        });
      });
    }
  });
});
