import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createStorageBridge } from 'changeover';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programEnvironment } from '../kit/program-environment.ts';
import { root } from '../architecture/source-files.ts';
import {
  main,
  nodeFlags,
  type Outcome,
  run,
  runChangeover,
  typeChangeover,
} from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;
let recorded: string;
let places = 0;

/** A migration with a real store: `titanic` and `iris` were called on SQLite at `shadow`, and compared. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-command-'));
  recorded = join(folder, 'recorded');
  mkdirSync(recorded);
  writeTestFlags(join(recorded, 'flags.json'), { sqlite: 'shadow' }, { accept: ['createDataset'] });
  const bridge = createStorageBridge({
    basePath: recorded,
    flagsFile: join(recorded, 'flags.json'),
  });
  try {
    const storage = bridge.storage('sqlite');
    for (const dataset of ['titanic', 'iris']) {
      await storage.createDataset(dataset);
      // The way to shadow has no gate: the first review lets it go there.
      await bridge.ledger.review();
      await storage.writeTable(dataset, 'train', [{ id: 1 }, { id: 2 }]);
      for (let call = 0; call < 5; call += 1) await storage.readTable(dataset, 'train');
    }
    await bridge.idle();
  } finally {
    await bridge.close();
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Place {
  readonly path: string;
  readonly flags: string;
  readonly store: string;
  type(...args: string[]): Promise<Outcome>;
  json(...args: string[]): Promise<Record<string, unknown>>;
}

/** A copy of the migration for one test. */
function place(): Place {
  places += 1;
  const path = join(folder, String(places));
  cpSync(recorded, path, { recursive: true });
  const flags = join(path, 'flags.json');
  const type = (...args: string[]): Promise<Outcome> =>
    typeChangeover(args, { CHANGEOVER_BASE_PATH: path, CHANGEOVER_FLAGS: flags });
  return {
    path,
    flags,
    store: join(path, '.changeover', 'comparisons.sqlite'),
    type,
    async json(...args) {
      const { code, out, err } = await type(...args, '--format', 'json');
      expect({ code, err }).toEqual({ code: 0, err: '' });
      return JSON.parse(out) as Record<string, unknown>;
    },
  };
}

const titanic = ['sqlite', 'titanic'] as const;
const because = ['--reason', 'it looks wrong', '--who', 'ada'] as const;

describe('reading', () => {
  test('status shows every dataset with its stage and what was measured', async () => {
    const { json, type } = place();
    const status = await json('status');
    expect(status['keys']).toMatchObject([
      {
        backend: 'sqlite',
        key: 'iris',
        stage: 'shadow',
        flagStage: 'shadow',
        held: false,
        calls: 7,
        mismatches: 0,
      },
      {
        backend: 'sqlite',
        key: 'titanic',
        stage: 'shadow',
        flagStage: 'shadow',
        held: false,
        calls: 7,
        mismatches: 0,
      },
    ]);
    expect(status).toMatchObject({ killed: [], notes: [], flags: { source: 'file' } });
    const { code, out } = await type('status');
    expect(code).toBe(0);
    expect(out).toMatch(
      /^sqlite +titanic {2}shadow {2}shadow +7 +0 +\d+ +0 {2}INCONCLUSIVE {2}the flag changeover\.sqlite assigns it the variant 1-shadow \(its default strategy\)$/m,
    );
  });

  test('explain says why, from where, what it means, and what to type next', async () => {
    const { json, type, flags } = place();
    expect(await json('explain', ...titanic)).toMatchObject({
      backend: 'sqlite',
      key: 'titanic',
      operation: null,
      stage: 'shadow',
      by: 'flag',
      legs: { read: { answers: 'legacy', shadow: 'pooled' }, write: { answers: 'legacy' } },
      flag: { name: 'changeover.sqlite', stage: 'shadow', source: 'file' },
      ledger: { held: false, line: { who: 'flag', to: 'shadow' }, decidesForward: true },
      history: [{ who: 'flag', from: 'legacy', to: 'shadow' }],
      whyNotAtTarget: null,
      notes: [],
    });
    const { out } = await type('explain', ...titanic);
    expect(out).toContain(`from ${flags}`);
    expect(out).toContain('changeover rollback sqlite titanic --reason "..."');
    // It would be refused: its gates can't tell yet.
    expect(out).not.toContain('changeover promote');
  });

  test('explain narrows to one operation, which a limit may hold back', async () => {
    const { json, flags } = place();
    const document = JSON.parse(readFileSync(flags, 'utf8')) as {
      features: { name: string; strategies: { variants: object[] }[] }[];
    };
    const shadow = document.features.find(({ name }) => name === 'changeover.sqlite')?.strategies[0]
      ?.variants[1];
    Object.assign(shadow ?? {}, {
      payload: { type: 'json', value: '{"limits": {"operations": {"execute": "legacy"}}}' },
    });
    writeFileSync(flags, JSON.stringify(document));
    expect(await json('explain', ...titanic)).toMatchObject({ stage: 'shadow' });
    expect(await json('explain', ...titanic, 'execute', '--unseen')).toMatchObject({
      stage: 'legacy',
      operation: 'execute',
    });
  });

  test('without a store and without flags, explain and status say so, and that all is on legacy', async () => {
    const { code, out } = await typeChangeover([
      'explain',
      ...titanic,
      '--unseen',
      '--base-path',
      join(folder, 'none'),
      '--flags',
      join(folder, 'none.json'),
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/sqlite titanic is on legacy/);
    expect(out).toMatch(/There is no comparison store at .*none.* --store names another/);
    expect(out).toContain('none.json');
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  test('reading changes nothing in the store', async () => {
    const { type, store } = place();
    const before = readFileSync(store);
    for (const command of [['status'], ['explain', ...titanic], ['gate'], ['report']])
      await type(...command);
    expect(readFileSync(store).equals(before)).toBe(true);
  });
});

describe('changing', () => {
  test('rollback holds a dataset at legacy, and the ledger knows who and why', async () => {
    const { json } = place();
    expect(await json('rollback', ...titanic, ...because)).toMatchObject({
      changed: true,
      change: {
        backend: 'sqlite',
        key: 'titanic',
        from: 'shadow',
        to: 'legacy',
        held: true,
        who: 'ada',
        reason: 'it looks wrong',
      },
    });
    expect(await json('explain', ...titanic)).toMatchObject({
      stage: 'legacy',
      by: 'hold',
      why: 'it is held at legacy by ada: it looks wrong; the flag asks for shadow: the flag changeover.sqlite assigns it the variant 1-shadow (its default strategy)',
      ledger: { held: true },
      history: [{ who: 'flag' }, { who: 'ada' }],
    });
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({ stage: 'shadow' });
    expect(await json('rollback', ...titanic, ...because)).toMatchObject({
      changed: false,
      change: null,
    });
  });

  test('resume ends it, once', async () => {
    const { json } = place();
    await json('rollback', ...titanic, ...because);
    expect(await json('resume', ...titanic, ...because)).toMatchObject({
      changed: true,
      change: { held: false },
    });
    expect(await json('explain', ...titanic)).toMatchObject({ stage: 'shadow', by: 'flag' });
    expect(await json('resume', ...titanic, ...because)).toMatchObject({ changed: false });
  });

  test('kill holds a whole backend, and only its own resume ends that', async () => {
    const { json, type } = place();
    await json('kill', 'sqlite', ...because);
    const status = await json('status');
    expect(status).toMatchObject({
      killed: ['sqlite'],
      keys: [
        { stage: 'legacy', held: true },
        { stage: 'legacy', held: true },
      ],
    });
    expect(await type('resume', ...titanic, ...because)).toMatchObject({
      code: 1,
      err: expect.stringContaining('changeover resume sqlite --reason'),
    });
    await json('resume', 'sqlite', ...because);
    expect(await json('explain', ...titanic)).toMatchObject({ stage: 'shadow' });
  });

  test('hold keeps a dataset from going further than it is, or than --at says', async () => {
    const { json, type, flags } = place();
    expect(await json('hold', ...titanic, ...because)).toMatchObject({
      changed: true,
      plan: [],
      change: { from: 'shadow', to: 'shadow', held: true },
    });
    writeTestFlags(flags, { sqlite: 'pooled' }, { accept: ['createDataset'] });
    expect(await json('explain', ...titanic)).toMatchObject({
      stage: 'shadow',
      by: 'hold',
      flag: { stage: 'pooled' },
    });
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({
      stage: 'shadow',
      by: 'ledger',
      whyNotAtTarget: expect.stringMatching(
        /^sqlite iris is on shadow and not on pooled, where changeover\.sqlite points, because its gates say INCONCLUSIVE: .*needs \d+ more comparisons/,
      ),
    });
    const toPooled = ['promote', 'sqlite', 'iris', '--to', 'pooled', ...because];
    expect(await type(...toPooled)).toMatchObject({
      code: 99,
      err: expect.stringMatching(/shadow → pooled skips reverse/),
    });
    expect(await json(...toPooled, '--force')).toMatchObject({
      change: { from: 'shadow', to: 'pooled', reason: 'it looks wrong (forced)' },
      forced: true,
    });
    expect(await json('hold', 'sqlite', 'iris', '--at', 'reverse', ...because)).toMatchObject({
      plan: [{ backend: 'sqlite', key: 'iris', from: 'pooled', to: 'reverse' }],
    });
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({ stage: 'reverse', by: 'hold' });
    expect(await json('resume', 'sqlite', 'iris', ...because)).toMatchObject({ plan: [] });
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({ stage: 'reverse' });
  });

  test('a hold is no way forward, and no step goes past its gates', async () => {
    const { json, type, flags } = place();
    expect(await json('hold', ...titanic, '--at', 'reverse', ...because)).toMatchObject({
      change: { from: 'shadow', to: 'shadow', held: true },
    });
    writeTestFlags(flags, { sqlite: 'pooled' }, { accept: ['createDataset'] });
    for (let time = 0; time < 3; time += 1) {
      expect(await type('promote', 'sqlite', 'iris', ...because)).toMatchObject({
        code: 3,
        err: expect.stringMatching(/needs \d+ more comparisons of `readTable: train`/),
      });
    }
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({ stage: 'shadow' });
  });

  test('the plan is shown before the change, dataset by dataset', async () => {
    const { type } = place();
    const { out } = await type('kill', 'sqlite', ...because);
    const moves = [
      '2 keys change stage:',
      '  sqlite iris: shadow → legacy',
      '  sqlite titanic: shadow → legacy',
      'Every key',
    ];
    expect(out.startsWith(moves.join('\n'))).toBe(true);
  });

  test('history is the whole ledger, or that of one dataset with its backend', async () => {
    const { json, type } = place();
    expect(await json('history')).toMatchObject({
      lines: [{ key: 'titanic' }, { key: 'iris' }],
      older: 0,
    });
    await json('rollback', ...titanic, ...because);
    await json('kill', 'sqlite', ...because);
    await json('rollback', 'sqlite', 'iris', ...because);
    expect(await json('history', ...titanic)).toMatchObject({
      lines: [
        { target: 'key', key: 'titanic', who: 'flag' },
        { target: 'key', key: 'titanic' },
        { target: 'all', key: null },
      ],
      older: 0,
    });
    expect(await json('history', '--limit', '1')).toMatchObject({
      lines: [{ key: 'iris', who: 'ada' }],
      older: 4,
    });
    expect((await type('history', 'duckdb')).out).toMatch(/Nothing is in the ledger of these yet/);
    expect(await type('history', '--limit', 'x')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/--limit is "x": write a whole/),
    });
  });

  test('--plan changes nothing', async () => {
    const { type, store, flags } = place();
    const before = [readFileSync(store), readFileSync(flags)];
    for (const command of [
      ['rollback', ...titanic],
      ['kill', 'sqlite'],
      ['resume', ...titanic],
      ['promote', ...titanic, '--force'],
    ]) {
      expect(await type(...command, ...because, '--plan')).toMatchObject({ code: 0 });
    }
    expect(
      [readFileSync(store), readFileSync(flags)].map((file, at) => before[at]?.equals(file)),
    ).toEqual([true, true]);
  });

  test('promote asks the gates, and changes nothing where they can not tell', async () => {
    const { type, flags } = place();
    const before = readFileSync(flags, 'utf8');
    const { code, err } = await type('promote', ...titanic, ...because);
    expect([3, 99]).toContain(code);
    expect(err).toMatch(/The gates say .* Nothing was changed\..* --force/);
    expect(readFileSync(flags, 'utf8')).toBe(before);
  });

  test('promote puts this dataset one stage forward in the flags file, and no other', async () => {
    const { json, flags } = place();
    const mode = statSync(flags).mode;
    expect(await json('promote', ...titanic, ...because, '--force')).toMatchObject({
      changed: true,
      flags,
      change: { from: 'shadow', to: 'reverse', held: false, reason: 'it looks wrong (forced)' },
    });
    expect(await json('explain', ...titanic)).toMatchObject({ stage: 'reverse', by: 'flag' });
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({ stage: 'shadow' });
    expect(await json('flags', 'validate')).toMatchObject({ valid: true });
    expect(statSync(flags).mode).toBe(mode);
    await json('promote', ...titanic, ...because, '--force');
    expect(await json('explain', ...titanic)).toMatchObject({ stage: 'pooled' });
    expect(await json('promote', ...titanic, ...because)).toMatchObject({ changed: false });
  });

  test('promote needs no gate to leave legacy, and refuses what is held', async () => {
    const { json, type, flags } = place();
    writeTestFlags(flags, {});
    expect(await json('promote', ...titanic, ...because)).toMatchObject({
      change: { from: 'legacy', to: 'shadow' },
    });
    await json('rollback', ...titanic, ...because);
    expect(await type('promote', ...titanic, ...because)).toMatchObject({
      code: 1,
      err: expect.stringContaining('changeover resume sqlite titanic'),
    });
  });

  test('several people at once leave one hold, and no line is lost', async () => {
    const { path, flags, json } = place();
    const codes = await Promise.all(
      ['iris', 'titanic', 'titanic', 'iris'].map((dataset) =>
        runChangeover(['rollback', 'sqlite', dataset, ...because], {
          CHANGEOVER_BASE_PATH: path,
          CHANGEOVER_FLAGS: flags,
        }),
      ),
    );
    expect(codes.map(({ code, err }) => [code, err])).toEqual(
      Array.from({ length: 4 }, () => [0, '']),
    );
    for (const dataset of ['iris', 'titanic']) {
      const { history } = (await json('explain', 'sqlite', dataset)) as { history: unknown[] };
      expect(history).toHaveLength(2);
    }
  });
});

describe('flags', () => {
  test('validate names the flag, the path and what to write, and ends with 1', async () => {
    const { type, path } = place();
    const wrong = join(path, 'wrong.json');
    writeFileSync(
      wrong,
      JSON.stringify({
        version: 2,
        features: [{ name: 'changeover.sqlite', enabled: true, strategies: [] }],
      }),
    );
    const { code, out } = await type('flags', 'validate', wrong, '--format', 'json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      valid: false,
      problems: [{ flag: 'changeover.sqlite', path: 'features[0].strategies' }],
    });
    writeFileSync(wrong, '{');
    expect(await type('flags', 'validate', wrong)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/it is no JSON/),
    });
    expect(await type('flags', 'validate', join(path, 'nowhere.json'))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/can't be read/),
    });
  });

  test('plan says which datasets would move, and which stay for being held', async () => {
    const { json, path } = place();
    await json('rollback', ...titanic, ...because);
    const next = join(path, 'next.json');
    writeTestFlags(next, { sqlite: 'reverse' });
    expect(await json('flags', 'plan', next)).toMatchObject({
      unchanged: 0,
      moves: [
        { backend: 'sqlite', key: 'iris', from: 'shadow', to: 'reverse', held: null },
        { backend: 'sqlite', key: 'titanic', from: 'shadow', to: 'reverse', held: 'legacy' },
      ],
    });
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({ stage: 'shadow' });
  });
});

describe('flags apply and pull', () => {
  test('apply puts a valid file in use, and each dataset that it moves is in the ledger', async () => {
    const { json, type, path, flags } = place();
    await json('rollback', ...titanic, ...because);
    const next = join(path, 'next.json');
    writeTestFlags(next, { sqlite: 'reverse' });
    const before = readFileSync(flags, 'utf8');
    await json('flags', 'apply', next, ...because, '--plan');
    expect(readFileSync(flags, 'utf8')).toBe(before);
    expect(await json('flags', 'apply', next, ...because)).toMatchObject({
      changed: true,
      flagsFile: flags,
      plan: [
        { key: 'iris', from: 'shadow', to: 'reverse' },
        { key: 'titanic', note: 'stays at legacy: it is held' },
      ],
    });
    expect(readFileSync(flags, 'utf8')).toBe(readFileSync(next, 'utf8'));
    expect(await json('explain', 'sqlite', 'iris')).toMatchObject({
      stage: 'shadow',
      flag: { stage: 'reverse' },
      history: [{ who: 'flag' }, { who: 'ada', to: 'shadow' }],
    });
    expect(await json('explain', ...titanic)).toMatchObject({
      stage: 'legacy',
      history: [{ who: 'flag' }, { held: true }],
    });
    const { out } = await type('history', '--limit', '1');
    expect(out).toMatch(/flags .*next\.json is in use as .*: it looks wrong/);
  });

  test('apply refuses a file that is not valid, and leaves all as it was', async () => {
    const { type, path, flags, store } = place();
    const before = [readFileSync(flags), readFileSync(store)];
    writeFileSync(
      join(path, 'wrong.json'),
      '{"version": 2, "features": [{"name": "changeover.sqlite"}]}',
    );
    expect(await type('flags', 'apply', join(path, 'wrong.json'), ...because)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/would be refused: .* changeover flags validate/),
    });
    expect(
      [readFileSync(flags), readFileSync(store)].map((file, at) => before[at]?.equals(file)),
    ).toEqual([true, true]);
  });

  test('pull without a server says what to set', async () => {
    const { type } = place();
    expect(await type('flags', 'pull', ...because)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/set UNLEASH_URL .* UNLEASH_TOKEN/),
    });
  });
});

describe('completion', () => {
  test.each([
    [['ro'], ['rollback']],
    [
      ['rollback', ''],
      ['duckdb', 'postgresql', 'sqlite'],
    ],
    [['rollback', 'sqlite', 't'], ['titanic']],
    [['explain', 'sqlite', 'titanic', 'readT'], ['readTable']],
    [['rollback', '--reason', 'it is slow', 'sqlite', 'i'], ['iris']],
    [['flags', 'pl'], ['plan']],
    [['hold', '--at', 'r'], ['reverse']],
    [['status', '--fo'], ['--format']],
    [['completion', 'z'], ['zsh']],
    [['rollback', 'oracle', ''], []],
  ])('after %j come %j', async (words, expected) => {
    const { code, out } = await place().type('complete', '--', ...words);
    expect({ code, names: out.split('\n').filter(Boolean) }).toEqual({ code: 0, names: expected });
  });

  test('bash runs the script, and completes by it', async () => {
    const { path, flags } = place();
    const launcher = join(root, 'packages/changeover/bin/changeover.mjs');
    writeFileSync(
      join(path, 'script.sh'),
      `
changeover() { ${JSON.stringify(process.execPath)} ${JSON.stringify(launcher)} "$@"; }
eval "$(changeover completion bash)"
complete -p changeover
COMP_WORDS=(changeover rollback sqlite t) COMP_CWORD=3
_changeover
echo "\${COMPREPLY[@]}"
COMP_WORDS=(changeover hold --at "") COMP_CWORD=3
_changeover
echo "\${COMPREPLY[@]}"`,
    );
    expect(
      await run('bash', [join(path, 'script.sh')], {
        CHANGEOVER_BASE_PATH: path,
        CHANGEOVER_FLAGS: flags,
      }),
    ).toEqual({
      code: 0,
      out: 'complete -o default -F _changeover changeover\ntitanic\nlegacy shadow reverse pooled\n',
      err: '',
    });
  });

  test('what a reason holds does not reach the terminal as it is', async () => {
    const { type } = place();
    await type('rollback', ...titanic, '--reason', `\u001b[2Jslow${'x'.repeat(2_000)}`);
    for (const words of [
      ['explain', ...titanic],
      ['status'],
      ['history'],
      ['promote', ...titanic, '--reason', 'x'],
    ]) {
      const { out, err } = await type(...words);
      expect([words, out + err]).toEqual([words, expect.stringContaining('⟨U+001B⟩[2Jslow')]);
      expect(out + err).not.toContain('\u001b');
    }
    for (const command of ['history', 'status']) {
      expect((await type(command)).out.split('\n').filter((line) => line.length > 400)).toEqual([]);
    }
  });
});

describe('report and gate', () => {
  test.each([
    ['text', /^Shadow comparison/],
    ['md', /^# /],
    ['html', /^<!doctype html>/i],
    ['junit', /^<\?xml/],
    ['json', /^\{/],
  ])('report --format %s writes it', async (format, begin) => {
    const { type, path } = place();
    const { code, out } = await type('report', '--format', format);
    expect(code).toBe(0);
    expect(out).toMatch(begin);
    const file = join(path, 'report');
    expect(await type('report', '--format', format, '--output', file)).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect(readFileSync(file, 'utf8')).toMatch(begin);
  });

  test('gate ends with 3 where there is too little to tell, and says which gate', async () => {
    const { type, path } = place();
    const { code, out } = await type('gate', '--format', 'json');
    expect(JSON.parse(out)).toMatchObject({ exitCode: code, gates: expect.any(Array) });
    expect(await type('gate', 'duckdb')).toMatchObject({
      code: 3,
      out: expect.stringMatching(/INCONCLUSIVE {2}No call on duckdb/),
    });
    expect(path).not.toBe('');
  });
});

describe('wrong usage ends with 2 and says what to type', () => {
  test.each([
    [[], /Usage: changeover/],
    [['explian', ...titanic], /Did you mean explain\?/],
    [
      ['explain', 'sqllite', 'titanic'],
      /There is no backend "sqllite"\. Did you mean "sqlite"\? Known are duckdb, postgresql, sqlite/,
    ],
    [
      ['explain', 'sqlite', 'titanik'],
      /There is no key "titanik"\. Did you mean "titanic"\?.* --unseen/,
    ],
    [['rollback', 'sqlite', 'titanik', ...because], /Did you mean "titanic"\?/],
    [['explain', 'sqlite', 'x'.repeat(201)], /A key has at most 200 characters/],
    [
      ['explain', ...titanic, 'readTabel'],
      /There is no operation "readTabel"\. Did you mean "readTable"\?/,
    ],
    [['rollback', ...titanic], /--reason needs a text/],
    [['rollback', ...titanic, '--reason', '  '], /--reason needs a text/],
    [['rollback', 'sqlite', ...because], /missing required argument 'key'/],
    [['status', '--fromat', 'json'], /Did you mean --format\?/],
    [['status', '--format', 'xml'], /Allowed choices are text, json/],
  ])('%j', async (args, message) => {
    const { type } = place();
    const { code, out, err } = await type(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
  });
});

describe('errors', () => {
  test.each([
    ['rollback', ...titanic, ...because],
    ['kill', 'sqlite', ...because],
    ['promote', ...titanic, ...because],
    ['gate'],
    ['report'],
  ])('a missing store: %s', async (...args) => {
    const { path, type } = place();
    const missing = join(path, 'typo', 'store.sqlite');
    const { code, err } = await type(...args, '--store', missing);
    expect(code).toBe(1);
    expect(err).toMatch(
      /There is no comparison store at .* Name that program's store with --store PLACE/,
    );
    expect(existsSync(missing)).toBe(false);
  });

  test('a file that is no store is left as it was', async () => {
    const { type, flags } = place();
    const before = readFileSync(flags, 'utf8');
    const { code, err } = await type('rollback', ...titanic, ...because, '--store', flags);
    expect(code).toBe(1);
    expect(err).toMatch(/^changeover: /);
    expect(readFileSync(flags, 'utf8')).toBe(before);
  });

  test.each(['a folder', 'no database', 'no permission'])(
    'a store that can not be read (%s) is named',
    async (kind) => {
      const { path, flags, type } = place();
      const closed = join(path, 'closed');
      // Root may read all: a link to itself can't be looked at either.
      if (kind === 'no permission') symlinkSync(closed, closed);
      const store =
        { 'a folder': path, 'no database': flags, 'no permission': join(closed, 'store.sqlite') }[
          kind
        ] ?? '';
      for (const command of [
        ['status'],
        ['explain', ...titanic],
        ['history'],
        ['rollback', ...titanic, ...because],
      ]) {
        const { code, out, err } = await type(...command, '--store', store);
        const message = expect.stringContaining(`The comparison store ${store} can't be read`);
        expect({ command, code, out, err }).toMatchObject({ code: 1, out: '', err: message });
      }
    },
  );

  test('a ledger that can not be reached is not told as an empty one', async () => {
    const { path, flags } = place();
    const { code, out, err } = await typeChangeover(['history'], {
      CHANGEOVER_BASE_PATH: path,
      CHANGEOVER_FLAGS: flags,
      CHANGEOVER_STORE: 'postgres://ada:secret@127.0.0.1:1/none',
    });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      /The ledger in postgres:\/\/ada@127\.0\.0\.1:1\/none can't be read: .*ECONNREFUSED/,
    );
  });

  test('a dataset that was not called yet can be held with --unseen', async () => {
    const { json } = place();
    expect(await json('rollback', 'postgresql', 'orders', ...because, '--unseen')).toMatchObject({
      change: { backend: 'postgresql', key: 'orders' },
    });
    expect(await json('explain', 'postgresql', 'orders')).toMatchObject({
      stage: 'legacy',
      ledger: { held: true },
    });
  });
});

describe('the command itself', () => {
  test('help needs nothing and shows how to find out and how to change', async () => {
    const { code, out } = await typeChangeover(['--help']);
    expect(code).toBe(0);
    for (const text of [
      'explain notes inbox',
      'rollback notes inbox',
      'Exit codes: 0 done',
      'A feature flag asks',
    ])
      expect(out).toContain(text);
    for (const command of [
      'status',
      'explain',
      'history',
      'promote',
      'hold',
      'rollback',
      'kill',
      'resume',
      'report',
      'gate',
      'flags',
    ]) {
      expect((await typeChangeover([command, '--help'])).out).toContain(`$ changeover ${command}`);
    }
  });

  test('a reader that hangs up ends no change half-way', async () => {
    const { path, flags, json } = place();
    const child = spawn(
      process.execPath,
      [...nodeFlags, main, 'rollback', ...titanic, ...because],
      {
        env: { ...programEnvironment(), CHANGEOVER_BASE_PATH: path, CHANGEOVER_FLAGS: flags },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    child.stdout.destroy();
    const told: string[] = [];
    child.stderr.on('data', (data: Buffer) => {
      told.push(data.toString());
    });
    const code = await new Promise((resolve) => {
      child.on('close', resolve);
    });
    expect([code, told]).toEqual([0, []]);
    expect(await json('explain', ...titanic)).toMatchObject({ ledger: { held: true } });
  });

  test('flags example is a valid file that moves nothing, and status says so where there is none', async () => {
    const { path, type } = place();
    const missing = join(path, 'missing.json');
    expect((await type('status', '--flags', missing)).out).toContain(
      `There are no flags at ${missing}. To begin with: npx changeover init`,
    );
    writeFileSync(missing, (await type('flags', 'example', 'sqlite')).out);
    expect(await type('flags', 'validate', missing)).toMatchObject({ code: 0 });
    expect((await type('status', '--flags', missing)).out).not.toContain('changeover init');
    expect((await json(missing)).map(({ stage }) => stage)).toEqual(['legacy', 'legacy']);

    async function json(file: string): Promise<{ stage: string }[]> {
      return (
        JSON.parse((await type('status', '--flags', file, '--format', 'json')).out) as {
          keys: { stage: string }[];
        }
      ).keys;
    }
  });

  test('the launcher runs it and hands its exit code over', async () => {
    const launcher = join(root, 'packages/changeover/bin/changeover.mjs');
    expect(await run(process.execPath, [launcher, 'kil'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean kill?'),
    });
  });
});
