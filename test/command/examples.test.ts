import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStorageBridge } from 'changeover';
import { type Outcome, typeChangeover } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;
let recorded: string;
let places = 0;

/** What the help texts speak of: `inbox` of the bridge `notes` and `titanic` on SQLite, called at `shadow`, and files beside
 * the flags. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-examples-'));
  recorded = join(folder, 'recorded');
  const flags = join(recorded, 'flags');
  mkdirSync(flags, { recursive: true });
  const accept = { accept: ['createDataset', 'writeTable'] };
  writeTestFlags(join(flags, 'changeover.json'), { sqlite: 'shadow', notes: 'shadow' }, accept);
  writeTestFlags(join(flags, 'next.json'), { sqlite: 'reverse', notes: 'reverse' }, accept);
  writeFileSync(
    join(flags, 'gates.json'),
    JSON.stringify({ gates: { shape: ['comparisons >= 1'] } }),
  );
  const bridge = createStorageBridge({
    basePath: recorded,
    flagsFile: join(flags, 'changeover.json'),
    ledger: false,
  });
  try {
    await bridge.storage('sqlite').createDataset('titanic');
    await bridge.storage('sqlite').writeTable('titanic', 'train', [{ id: 1 }]);
    for (let call = 0; call < 3; call += 1) {
      await bridge.idle();
      await bridge.storage('sqlite').readTable('titanic', 'train');
    }
    await bridge.idle();
    bridge.recorder.cell('duckdb', 'cold', 'query', 'legacy').calls += 1;
    for (const operation of ['list', 'add']) {
      const cell = bridge.recorder.cell('notes', 'inbox', operation, 'shadow');
      cell.calls += 3;
      cell.eligible += 3;
      cell.sampled += 3;
      for (let call = 0; call < 3; call += 1) cell.countVerdict('match');
    }
  } finally {
    await bridge.close();
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** `console` is run in test/console: its examples don't end by themselves. */
const commands = [
  '',
  'status',
  'explain',
  'history',
  'promote',
  'hold',
  'rollback',
  'kill',
  'resume',
  'gate',
  'report',
  'verify',
  'flags',
  'flags example',
  'flags validate',
  'flags plan',
  'flags apply',
  'flags pull',
  'completion',
  'doctor',
];

/** The lines after `$`, as a shell would give their words to `changeover`. */
async function examplesOf(command: string): Promise<string[][]> {
  const { code, out } = await typeChangeover([...command.split(' ').filter(Boolean), '--help']);
  expect(code).toBe(0);
  const lines = [...out.matchAll(/^ {2}\$ (changeover .*?)(?: {3,}.*)?$/gm)].map(
    ([, line = '']) => line,
  );
  expect(lines).not.toEqual([]);
  return lines
    .flatMap((line) => line.split(' && '))
    .map((line) =>
      [...line.replace(/ >+ .*/, '').matchAll(/"([^"]*)"|\S+/g)]
        .map(([word, quoted]) => quoted ?? word)
        .slice(1),
    );
}

/** A copy of the migration. */
function copy(): string {
  places += 1;
  const path = join(folder, String(places));
  cpSync(recorded, path, { recursive: true });
  return path;
}

/** Types one line in a copy of the migration, where the paths that help texts name are. */
function typeIn(words: readonly string[], path = copy()): Promise<Outcome> {
  return typeChangeover(
    words.map((word) =>
      word
        .replace(/^flags\//, `${path}/flags/`)
        .replace(/^\/(var\/lib\/app|mnt\/backup)\/datasets$/, path)
        .replace(/^report\.html$/, join(path, 'report.html')),
    ),
    { CHANGEOVER_BASE_PATH: path, CHANGEOVER_FLAGS: join(path, 'flags/changeover.json') },
  );
}

/** What needs a server that is not there, or finds no copy. */
const otherCodes: Readonly<Record<string, number>> = {
  'flags pull': 2,
  'verify sqlite --against duckdb': 99,
  'verify postgresql': 2,
};

describe.each(commands)('the help of changeover %s', (command) => {
  test('has examples, and each does what it says', async () => {
    for (const words of await examplesOf(command)) {
      const { code, out, err } = await typeIn(words);
      const name = Object.keys(otherCodes).find((one) => words.join(' ').startsWith(one));
      expect([words, code, err]).toEqual([
        words,
        name === undefined ? 0 : otherCodes[name],
        name === undefined ? '' : err,
      ]);
      if (!words.includes('--output')) expect(out + err).not.toBe('');
    }
  });

  test('has examples that as JSON are one document', async () => {
    if (command === 'completion' || command === 'flags example') return;
    for (const words of await examplesOf(command)) {
      if (words.includes('--format') || words.includes('--output')) continue;
      const { code, out } = await typeIn([...words, '--format', 'json']);
      // Nothing at all where it failed: the message is on standard error, the kind of failure in the exit code.
      if (out === '') expect([words, [1, 2, 3, 99].includes(code ?? 0)]).toEqual([words, true]);
      else expect(JSON.parse(out)).toEqual(expect.any(Object));
    }
  });
});

test('a line that was typed wrong says what to type, for every command', async () => {
  for (const [words, message] of [
    [['stauts'], /Did you mean status\?/],
    [['flags', 'aply', 'x'], /Did you mean apply\?/],
    [['rollbak', 'sqlite', 'titanic'], /Did you mean rollback\?/],
    [['kill', 'sqlte', '--reason', 'x'], /Did you mean "sqlite"\?/],
    [['hold', 'sqlite', 'titanic', '--reason', 'x', '--plna'], /Did you mean --plan\?/],
    [
      ['hold', 'sqlite', 'titanic', '--at', 'shadw', '--reason', 'x'],
      /Allowed choices are legacy, shadow, reverse, pooled/,
    ],
    [['console', '--port', 'x'], /--port needs a whole number/],
    ...[
      'promote sqlite titanic',
      'hold sqlite titanic',
      'rollback sqlite titanic',
      'kill sqlite',
      'resume sqlite',
      'flags apply x',
      'flags pull',
    ].map((line): [string[], RegExp] => [line.split(' '), /--reason needs a text/]),
  ] as [string[], RegExp][]) {
    const { code, out, err } = await typeIn(words);
    expect([words, code, out]).toEqual([words, 2, '']);
    expect(err).toMatch(message);
  }
});

test.each([
  ['legacy, by its flag', 'duckdb', 'cold', [], ['promote', 'hold']],
  ['shadow, by its flag', 'sqlite', 'titanic', [], ['promote', 'rollback', 'kill']],
  ['legacy, held', 'sqlite', 'titanic', ['rollback', 'sqlite', 'titanic'], ['resume']],
  ['legacy, with its backend', 'sqlite', 'titanic', ['kill', 'sqlite'], ['resume']],
  [
    'reverse',
    'sqlite',
    'titanic',
    ['promote', 'sqlite', 'titanic', '--force'],
    ['promote', 'rollback', 'kill'],
  ],
])(
  'what explain says to type does what it says, for a dataset on %s',
  async (_name, engine, dataset, before, expected) => {
    const moved = copy();
    if (before.length > 0)
      expect(await typeIn([...before, '--reason', 'drill'], moved)).toMatchObject({ code: 0 });
    const { out } = await typeIn(['explain', engine, dataset, '--format', 'json'], moved);
    const { commands } = JSON.parse(out) as { commands: { command: string; effect: string }[] };
    expect(commands.map(({ command }) => command.split(' ')[1])).toEqual(expected);
    for (const { command, effect } of commands) {
      const path = copy();
      cpSync(moved, path, { recursive: true });
      const words = [...command.matchAll(/"[^"]*"|\S+/g)]
        .slice(1)
        .map(([word]) => word.replaceAll('"', ''));
      expect([command, (await typeIn(words, path)).code]).toEqual([command, 0]);
      const after = JSON.parse(
        (await typeIn(['explain', engine, dataset, '--format', 'json'], path)).out,
      ) as { stage: string };
      const [to] = /legacy|shadow|reverse|pooled/.exec(effect) ?? [];
      expect([command, after.stage]).toEqual([command, to]);
    }
  },
);
