import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { stages, systemClock, type Clock, type Stage } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { openFileStageSource } from './file-stage-source.ts';
import type { StageContext, StageSource } from './stage-source.ts';
import { variantNames } from './stage-variant.ts';

const context: StageContext = { backend: 'sqlite', dataset: 'titanic', operation: 'readTable' };

let folder: string;
let path: string;
let lines: { level: string; message: string }[];
let waiting: (() => void)[];
let sources: StageSource[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-flags-'));
  path = join(folder, 'changeover.json');
  lines = [];
  waiting = [];
  sources = [];
});

afterEach(async () => {
  for (const source of sources) await source.close();
  rmSync(folder, { recursive: true, force: true });
});

const record =
  (level: string) =>
  (_fields: object, message: string): void => {
    lines.push({ level, message });
    for (const wake of waiting.splice(0)) wake();
  };
const logger: Logger = {
  debug: record('debug'),
  info: record('info'),
  warn: record('warn'),
  error: record('error'),
};

/** Resolves once a line of that level was logged after the first `from` lines. */
async function logged(level: string, from: number): Promise<string> {
  for (;;) {
    const found = lines.slice(from).find((line) => line.level === level);
    if (found !== undefined) return found.message;
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
  }
}

const errors = (): string[] =>
  lines.filter(({ level }) => level === 'error').map(({ message }) => message);

function open(clock: Clock = systemClock, pollIntervalMs?: number): StageSource {
  const source = openFileStageSource({ path, logger, clock, pollIntervalMs });
  sources.push(source);
  return source;
}

test.each([
  ['a text', 'flags.json', 'It was given the text "flags.json".'],
  ['nothing', undefined, 'It was given something of type undefined.'],
  ['no path', { logger }, 'Its path is of type undefined, and must be a text.'],
  ['no logger', { path: 'flags.json' }, 'Its logger is missing: createLogger() makes one'],
])('%s in place of its options is refused with what to write', (_what, given, found) => {
  const options = given as Parameters<typeof openFileStageSource>[0];
  expect(() => openFileStageSource(options)).toThrow(found);
  expect(() => openFileStageSource(options)).toThrow(
    "openFileStageSource takes one object, as in openFileStageSource({ path: 'flags/changeover.json', logger }).",
  );
});

function textFor(stage: Stage, weight = 1000): string {
  return JSON.stringify({
    version: 2,
    features: [
      {
        name: 'changeover.sqlite',
        enabled: true,
        strategies: [
          {
            name: 'flexibleRollout',
            parameters: { rollout: '100', stickiness: 'dataset', groupId: 'changeover.sqlite' },
            variants: [
              { name: variantNames[stages.indexOf(stage)], weight, stickiness: 'dataset' },
            ],
          },
        ],
      },
    ],
  });
}

function changed(source: StageSource): Promise<void> {
  return new Promise((resolve) => {
    source.subscribe(resolve);
  });
}

describe('at the start', () => {
  test('the first answer is there in the same tick', () => {
    writeFileSync(path, textFor('shadow'));
    const source = open();
    expect(source.decide(context)).toMatchObject({ stage: 'shadow', source: 'file' });
    expect(source.status()).toMatchObject({ source: 'file', stale: false, lastError: undefined });
    expect(source.status().loadedAt).toBeGreaterThan(0);
  });

  test.each([
    ['a missing file', undefined, /there is no file/],
    ['an empty file', '', /is no JSON/],
    ['a file cut in half', textFor('pooled').slice(0, 150), /is no JSON/],
    [
      'weights that do not add up',
      textFor('pooled', 999),
      /flag "changeover.sqlite".+variants: found .+ 999/,
    ],
    ['a list', '[]', /found \[\]; write a JSON object/],
  ])('%s means legacy, loudly', (_title, text, message) => {
    if (text !== undefined) writeFileSync(path, text);
    const source = open();
    expect(source.decide(context)).toMatchObject({ stage: 'legacy', source: 'default' });
    expect(errors()).toEqual([expect.stringMatching(message)]);
    expect(errors()[0]).toMatch(/every call goes to the legacy leg/);
    const lastError = { message: expect.any(String) };
    expect(source.status()).toMatchObject({ source: 'default', stale: true, lastError });
  });

  test('a folder in place of the file means legacy, loudly', () => {
    mkdirSync(path);
    expect(open().decide(context).stage).toBe('legacy');
    expect(errors()).toEqual([expect.stringMatching(/is a folder; name the file in it$/)]);
  });

  test('a pipe in place of the file keeps the last flags in force, loudly, and stops nothing', async () => {
    writeFileSync(path, textFor('reverse'));
    const source = open();
    rmSync(path);
    execFileSync('mkfifo', [path]);
    expect(await logged('error', 1)).toMatch(/a pipe, a socket or a device; write a file$/);
    expect(source.decide(context).stage).toBe('reverse');
    rmSync(path);
    const again = changed(source);
    writeFileSync(path, textFor('shadow'));
    await again;
    expect(source.decide(context).stage).toBe('shadow');
    expect(errors()).toHaveLength(1);
  });

  test('a file of a gigabyte is not read, and one of a fitting size is again', async () => {
    writeFileSync(path, textFor('reverse'));
    const source = open();
    truncateSync(path, 1e9);
    expect(await logged('error', 1)).toMatch(/has 1000000000 bytes; write at most 4194304$/);
    expect(source.decide(context).stage).toBe('reverse');
    const again = changed(source);
    writeFileSync(path, textFor('shadow'));
    await again;
    expect(source.decide(context).stage).toBe('shadow');
    expect(errors()).toHaveLength(1);
  });

  test('a link is followed, and one that leads nowhere or to itself is told', async () => {
    writeFileSync(join(folder, 'real.json'), textFor('reverse'));
    symlinkSync('real.json', path);
    const source = open(systemClock, 20);
    expect(source.decide(context).stage).toBe('reverse');
    rmSync(path);
    symlinkSync('changeover.json', path);
    expect(await logged('error', 1)).toMatch(/ELOOP\); the link leads back to itself/);
    rmSync(path);
    symlinkSync('nowhere.json', path);
    expect(await logged('error', 2)).toMatch(/there is no file/);
    expect(source.decide(context).stage).toBe('reverse');
  });

  test('a folder that does not exist yet means legacy until it does', async () => {
    path = join(folder, 'later', 'changeover.json');
    const source = open(systemClock, 20);
    expect(source.decide(context).stage).toBe('legacy');
    const told = changed(source);
    mkdirSync(join(folder, 'later'));
    writeFileSync(path, textFor('reverse'));
    await told;
    expect(source.decide(context).stage).toBe('reverse');
  });
});

describe('while it runs', () => {
  test('a file that was written over is told, and answers from then on', async () => {
    writeFileSync(path, textFor('shadow'));
    const source = open(systemClock, 60_000);
    const told = changed(source);
    writeFileSync(path, textFor('reverse'));
    await told;
    expect(source.decide(context).stage).toBe('reverse');
  });

  test('a file that was replaced is told, each time', async () => {
    writeFileSync(path, textFor('legacy'));
    const source = open(systemClock, 60_000);
    for (const stage of ['shadow', 'reverse', 'pooled', 'legacy'] as const) {
      const told = changed(source);
      writeFileSync(`${path}.new`, textFor(stage));
      renameSync(`${path}.new`, path);
      await told;
      expect(source.decide(context).stage).toBe(stage);
    }
  });

  test('polling alone finds a change that the system does not tell of', async () => {
    const real = join(folder, 'real');
    const other = join(folder, 'other');
    mkdirSync(real);
    mkdirSync(other);
    path = join(real, 'changeover.json');
    writeFileSync(path, textFor('shadow'));
    writeFileSync(join(other, 'changeover.json'), textFor('reverse'));
    const source = open(systemClock, 30);
    const told = changed(source);
    renameSync(real, join(folder, 'gone'));
    renameSync(other, real);
    await told;
    expect(source.decide(context).stage).toBe('reverse');
    // And the new folder is watched from then on.
    const again = changed(source);
    writeFileSync(path, textFor('pooled'));
    await again;
    expect(source.decide(context).stage).toBe('pooled');
  });

  test('a file that can not be used leaves the last good flags in force and is logged once', async () => {
    writeFileSync(path, textFor('reverse'));
    const clock = observedClock();
    const source = open(clock, 5);
    const revision = source.status().revision;
    const from = lines.length;
    writeFileSync(path, textFor('pooled').slice(0, 100));
    const message = new RegExp(`the flags of revision ${revision} stay in force: .+ is no JSON`);
    expect(await logged('error', from)).toMatch(message);
    expect(source.decide(context)).toMatchObject({ stage: 'reverse', revision });
    expect(source.status()).toMatchObject({ source: 'file', stale: true });
    // Many polls later there is still one line: the next one is about the next problem.
    await clock.timersDue(30);
    writeFileSync(path, textFor('pooled').slice(0, 100));
    await clock.timersDue(30);
    rmSync(path);
    await logged('error', lines.length);
    const problems = errors().map((text) => /there is no file|is no JSON/.exec(text)?.[0]);
    expect(problems).toEqual(['is no JSON', 'there is no file']);
    expect(source.decide(context).stage).toBe('reverse');
  });

  test('a file that is bad only while it is being written is not complained of', async () => {
    writeFileSync(path, textFor('shadow'));
    const clock = observedClock();
    const source = open(clock, 60_000);
    const told = changed(source);
    writeFileSync(path, textFor('reverse').slice(0, 100));
    await clock.timersDue(1);
    writeFileSync(path, textFor('reverse'));
    await told;
    expect(source.decide(context).stage).toBe('reverse');
    expect(errors()).toEqual([]);
  });

  test('a file that is mended is used again, and the next problem is told anew', async () => {
    writeFileSync(path, textFor('shadow'));
    const source = open(systemClock, 60_000);
    let from = lines.length;
    writeFileSync(path, '{');
    await logged('error', from);
    from = lines.length;
    writeFileSync(path, textFor('shadow'));
    expect(await logged('info', from)).toBe('the flags file is usable again; nothing changed');
    expect(source.status()).toMatchObject({ stale: false, lastError: undefined });
    from = lines.length;
    writeFileSync(path, '{');
    await logged('error', from);
    expect(errors()).toHaveLength(2);
  });

  test('the same content written again is no change', async () => {
    writeFileSync(path, textFor('shadow'));
    const clock = observedClock();
    const source = open(clock, 60_000);
    let told = 0;
    source.subscribe(() => {
      told += 1;
    });
    writeFileSync(path, textFor('shadow'));
    await clock.timersDue(1);
    const second = changed(source);
    writeFileSync(path, textFor('reverse'));
    await second;
    expect(told).toBe(1);
  });

  test('a closed source keeps its answers, and closing again is nothing', async () => {
    writeFileSync(path, textFor('shadow'));
    const source = open();
    await source.close();
    await source.close();
    expect(source.decide(context).stage).toBe('shadow');
  });
});

/** The machine's clock, which also tells when its timers have come due. */
function observedClock(): Clock & { timersDue(count: number): Promise<void> } {
  let due = 0;
  let wake: (() => void) | undefined;
  return {
    ...systemClock,
    after: (delayMs, task) =>
      systemClock.after(delayMs, () => {
        task();
        due += 1;
        wake?.();
      }),
    async timersDue(count) {
      const enough = due + count;
      while (due < enough)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}
