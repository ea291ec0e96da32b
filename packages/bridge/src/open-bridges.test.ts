import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { bridgeOf, type BridgeServices, createBridge, read, silentLogger } from './index.ts';

const open: object[] = [];
let folder: string;
let warnings: (readonly [object, string])[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-names-'));
  warnings = [];
});

afterEach(async () => {
  for (const object of open.splice(0)) await bridgeOf(object).close();
  rmSync(folder, { recursive: true, force: true });
});

interface Made {
  readonly name?: string;
  readonly storePath?: string;
  readonly services?: BridgeServices;
}

/** A bridge, which opens its store at once. */
function made({ name = 'notes', storePath = join(folder, 'store'), services }: Made = {}): object {
  const logger = {
    ...silentLogger,
    warn: (line: object, text?: string) => {
      warnings.push([line, text ?? '']);
    },
  };
  const object = createBridge({
    name,
    legacy: () => ({ list: () => [1] }),
    pooled: () => ({ list: () => [1] }),
    operations: { list: read() },
    ...(services === undefined
      ? { storePath, logger, flagsFile: join(folder, 'flags.json'), flushAtExit: false }
      : { services }),
  });
  open.push(object);
  object.list();
  return object;
}

const taken = (): (readonly [object, string])[] =>
  warnings.filter(([line]) => (line as { readonly event?: unknown }).event === 'name-taken');

test('two open bridges of one name and store are told once, with where both were made', () => {
  made();
  expect(taken()).toEqual([]);
  made();
  made();
  expect(taken()).toHaveLength(1);
  const [line, text] = taken()[0] ?? [];
  const here = relative(process.cwd(), import.meta.filename).replaceAll('\\', '/');
  const place = expect.stringMatching(new RegExp(`^${here}:\\d+$`)) as unknown;
  expect(line).toEqual({
    event: 'name-taken',
    backend: 'notes',
    madeAt: place,
    otherMadeAt: place,
  });
  expect(text).toMatch(/two open bridges are named "notes" .* made at .*:\d+, one at .*:\d+: /);
  expect(text).toMatch(/another name; .* Or close it before: await bridgeOf\(object\)/);
  expect(text).toContain(
    "keep the first: globalThis.bridged ??= createBridge({ name: 'notes', ... })",
  );
});

test('bridges that share services are two of one name as well, as soon as the second is made', () => {
  const { services } = bridgeOf(made({ storePath: ':memory:' }));
  made({ name: 'orders', services });
  expect(taken()).toEqual([]);
  made({ services });
  expect(taken()).toHaveLength(1);
});

test('a closed bridge frees its name, and so does one whose services were closed', async () => {
  await bridgeOf(made()).close();
  const first = made({ name: 'first' });
  const { services } = bridgeOf(first);
  made({ services });
  await bridgeOf(first).close();
  made();
  expect(taken()).toEqual([]);
});

test('bridges of one name that keep their counts apart are told nothing', () => {
  made({ storePath: ':memory:' });
  made({ storePath: ':memory:' });
  made();
  made({ storePath: join(folder, 'other') });
  expect(taken()).toEqual([]);
});
