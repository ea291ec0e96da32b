import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { silentLogger } from '@changeover/bridge';
import { bridgeOf, createBridge, read } from 'changeover';
import {
  type Outcome,
  run,
  runChangeover,
  typeChangeover,
  main,
  nodeFlags,
} from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

let folder: string;
let recorded: string;
let places = 0;

/** Two bridges whose keys stand at `shadow`; on `notes inbox` the legs differed, and the guardrail only tells. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-night-'));
  recorded = join(folder, 'recorded');
  mkdirSync(join(recorded, '.changeover'), { recursive: true });
  writeTestFlags(join(recorded, 'flags.json'), { notes: 'shadow', orders: 'shadow' });
  for (const name of ['notes', 'orders']) {
    const object = createBridge({
      name,
      legacy: () => ({ list: (key: string) => Promise.resolve([{ key }]) }),
      pooled: () => ({
        list: (key: string) => Promise.resolve(key === 'inbox' ? [{ key: 'other' }] : [{ key }]),
      }),
      operations: { list: read.rows() },
      key: { list: (key: string) => key },
      storePath: join(recorded, '.changeover', 'comparisons.sqlite'),
      flagsFile: join(recorded, 'flags.json'),
      logger: silentLogger,
      guardrail: { mode: 'report' },
    });
    const bridge = bridgeOf(object);
    for (let round = 0; round < 3; round += 1) {
      for (const key of name === 'notes' ? ['inbox', 'done'] : ['ada']) await object.list(key);
      await bridge.idle();
      await bridge.ledger.review();
    }
    await bridge.close();
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Place {
  readonly path: string;
  readonly flags: string;
  readonly env: Record<string, string>;
  type(line: string): Promise<Outcome>;
  json(line: string): Promise<Record<string, unknown>>;
}

/** A copy of the migration for one test. Words in quotes are one. */
function place(): Place {
  places += 1;
  const path = join(folder, String(places));
  cpSync(recorded, path, { recursive: true });
  const env = {
    CHANGEOVER_STORE: join(path, '.changeover', 'comparisons.sqlite'),
    CHANGEOVER_FLAGS: join(path, 'flags.json'),
  };
  const words = (line: string): string[] =>
    [...line.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
  return {
    path,
    flags: env.CHANGEOVER_FLAGS,
    env,
    type: (line) => typeChangeover(words(line), env),
    async json(line) {
      const { code, out, err } = await typeChangeover([...words(line), '--format', 'json'], env);
      expect([line, code, err]).toEqual([line, 0, '']);
      return JSON.parse(out) as Record<string, unknown>;
    },
  };
}

describe('going back', () => {
  test('kill --all puts every backend back in one step, and one answer has each line', async () => {
    const { type, json } = place();
    const { out, code } = await type('kill --all --reason pager');
    expect(code).toBe(0);
    expect(out).toContain('3 keys change stage:');
    for (const backend of ['notes', 'orders']) {
      expect(out).toContain(`Every key of ${backend}: legacy, held there.`);
      expect(out).toContain(`To end it: changeover resume ${backend} --reason "..."`);
    }
    expect(await json('status')).toMatchObject({
      killed: expect.arrayContaining(['notes', 'orders']),
    });
    const again = await json('kill --all --reason pager');
    expect(again).toMatchObject({ changed: false });
    expect(again['next']).toEqual(
      expect.arrayContaining([
        'changeover resume notes --reason "..."',
        'changeover resume orders --reason "..."',
      ]),
    );
  });

  test('kill --all as JSON lists what was written, and --plan writes nothing', async () => {
    const { json } = place();
    expect(await json('kill --all --reason pager --plan')).toMatchObject({ changed: false });
    expect(await json('status')).toMatchObject({ killed: [] });
    // The first of them is held already, which is no reason to say that nothing was changed.
    expect(await json('kill duckdb --reason first')).toMatchObject({ changed: true });
    const all = (await json('kill --all --reason pager')) as { changes: { backend: string }[] };
    expect(all).toMatchObject({ changed: true, change: { backend: 'notes', held: true } });
    expect(all.changes.map(({ backend }) => backend)).toEqual(
      expect.arrayContaining(['notes', 'orders']),
    );
    expect(all.changes).not.toContainEqual(expect.objectContaining({ backend: 'duckdb' }));
  });

  test('that no program is seen on this store is said: it may be another one', async () => {
    const { type, env } = place();
    const store = new DatabaseSync(env['CHANGEOVER_STORE'] ?? '');
    store.exec('update cell set last_at = last_at - 60000');
    store.close();
    const { out } = await type('rollback notes done --reason night');
    expect(out).toContain('notes done: shadow → legacy, held there.');
    expect(out).toContain('No program that shares this store has called it in the last seconds.');
    expect(out).toContain('--store PLACE');
  });

  test('a resumption goes past no gate, whatever the flag asks at that moment', async () => {
    const { type, json } = place();
    await type('rollback orders ada --reason night');
    const refused = await type('resume orders ada --reason mended --to reverse');
    expect([refused.code, refused.out]).toEqual([99, '']);
    expect(refused.err).toContain('would go from legacy to reverse');
    expect(await json('explain orders ada')).toMatchObject({ ledger: { held: true } });
    await json('resume orders ada --reason mended --to reverse --force');
  });

  test('resume of a backend whose keys are held by themselves names them', async () => {
    const { type, json } = place();
    await type('rollback notes inbox --reason night');
    const { out, code } = await type('resume notes --reason ok');
    expect(code).toBe(0);
    expect(out).toContain('notes is not held as a whole, 1 key is held by itself:');
    expect(out).toContain('changeover resume notes inbox --reason "..."');
    expect(await json('resume notes --reason ok')).toMatchObject({
      next: ['changeover resume notes inbox --reason "..."'],
    });
  });

  test('a key is held, and each command that only looks says as JSON how it goes on', async () => {
    const { json, type, path } = place();
    await json('hold notes inbox --reason x');
    const resume = 'changeover resume notes inbox --reason "..."';
    for (const line of ['status', 'status notes inbox', 'history notes', 'history --limit 1'])
      expect([line, (await json(line))['next']]).toEqual([line, [resume]]);
    expect(await json('doctor')).toMatchObject({ next: expect.not.arrayContaining([resume]) });
    expect(await json('flags validate')).toMatchObject({ next: [] });
    const other = join(path, 'the next.json');
    copyFileSync(join(path, 'flags.json'), other);
    const { out } = await type(`flags validate "${other}" --format json`);
    expect(JSON.parse(out)).toMatchObject({
      next: [
        `changeover flags plan '${other}'`,
        `changeover flags apply '${other}' --reason "..."`,
      ],
    });
    for (const line of ['report', 'gate', `finish --source ${path}`])
      expect(JSON.parse((await type(`${line} --format json`)).out)).toMatchObject({
        next: expect.any(Array),
      });
    const report = JSON.parse((await type('report --format json')).out) as { next: string[] };
    expect(report.next).toContain(resume);
    expect(await json('history orders')).toMatchObject({ next: [] });
  });

  test('what is wrong with the flags is in what may be typed next', async () => {
    const { flags, type } = place();
    const nextOf = async (line: string): Promise<unknown> =>
      (JSON.parse((await type(`${line} --format json`)).out) as { next: unknown }).next;
    writeFileSync(flags, '{"version": 2,');
    expect(await nextOf('flags validate')).toEqual([`changeover flags validate ${flags}`]);
    expect(await nextOf('doctor')).toContain(`changeover flags validate ${flags}`);
    rmSync(flags);
    expect(await nextOf('doctor')).toContain('changeover init');
  });

  test('every change says as JSON what may be typed now, and so do explain and mismatches', async () => {
    const { json } = place();
    for (const [line, next] of [
      ['explain notes inbox', 'changeover mismatches notes inbox'],
      ['mismatches', /^changeover reproduce [a-z0-9]{8}$/],
      ['hold notes done --reason x', 'changeover resume notes done --reason "..."'],
      ['resume notes done --reason x', 'changeover explain notes done'],
      ['promote orders ada --force --reason x', 'changeover rollback orders ada --reason "..."'],
      ['rollback orders ada --reason x', 'changeover resume orders ada --reason "..."'],
      ['kill orders --reason x', 'changeover resume orders --reason "..."'],
      ['resume orders --reason x', 'changeover status orders'],
    ] as const) {
      const [first] = (await json(line))['next'] as string[];
      if (typeof next === 'string') expect([line, first]).toEqual([line, next]);
      else expect(first).toMatch(next);
    }
  });
});

describe('a flags file that is none', () => {
  const kinds: [string, (path: string) => void, RegExp][] = [
    ['a pipe', (path) => execFileSync('mkfifo', [path]), /is no ordinary file but a pipe/],
    ['a folder', (path) => mkdirSync(path), /is a folder; name the file in it/],
    ['gone', () => undefined, /there (is no file|are no flags) [^]*npx changeover init/i],
    ['half written', (path) => writeFileSync(path, '{"version": 2,'), /JSON/],
  ];

  // For the pipe a process of its own: what waits for its writer can't be ended within this one.
  test.each(kinds)(
    '%s: nothing waits for it, and each command says so',
    async (name, put, says) => {
      const { flags, env } = place();
      rmSync(flags);
      put(flags);
      for (const [line, expected] of [
        ['flags validate', 1],
        ['doctor', undefined],
        ['promote orders ada --reason x --to reverse --force', 1],
        ['rollback orders ada --reason x', 0],
        ['status', 0],
      ] as const) {
        const typed = name === 'a pipe' ? runChangeover : typeChangeover;
        const { code, out, err } = await typed(line.split(' '), env);
        if (expected !== undefined) expect([line, code]).toEqual([line, expected]);
        if (!line.startsWith('rollback')) expect(out + err).toMatch(says);
        // What was not done is not shown as if it had been.
        if (line.startsWith('promote'))
          expect([out, err]).toEqual(['', expect.stringContaining('Nothing was changed')]);
      }
    },
  );

  test('status says where a program stands that starts now, and that others keep what they read', async () => {
    const { flags, type, json } = place();
    writeFileSync(flags, 'rubbish');
    const { out } = await type('status');
    expect(out).toContain('flags  none that can be used');
    expect((await json('status'))['notes']).toEqual([
      expect.stringContaining('is no JSON'),
      expect.stringContaining('Those that run keep the flags that they read last'),
    ]);
    rmSync(flags);
    expect((await json('status'))['notes']).toEqual([
      `There are no flags at ${flags}. To begin with: npx changeover init`,
    ]);
  });

  test('a hold that ends meanwhile says that the flag asks for nothing', async () => {
    const { flags, type } = place();
    await type('rollback orders ada --reason x');
    writeFileSync(flags, 'rubbish');
    const { out } = await type('resume orders ada --reason mended');
    expect(out).toContain('it goes to legacy, for which its flag asks; it goes further by');
  });
});

describe('typed wrong', () => {
  test.each([
    [
      'rollback',
      /missing required argument 'backend'\n.*\nAs in: {2}changeover rollback notes inbox/,
    ],
    ['rollback notes', /All keys of a backend: changeover kill/],
    ['rollback notes inbox --raeson x', /unknown option '--raeson'\n\(Did you mean --reason\?\)/],
    [
      'rollback notes inbox extra --reason x',
      /Usage: changeover rollback <backend> <key> \[options\]/,
    ],
    [
      'promote notes inbox --to revers --reason x',
      /As in: {2}changeover promote notes inbox --reason/,
    ],
    ['kill --reason x', /Name the backend, .* Every one: changeover kill --all/],
    ['kill notes --all --reason x', /Either --all or the backend notes/],
    ['help rolback', /unknown command 'rolback'\n\(Did you mean rollback\?\)/],
    ['flags aply x --reason y', /Did you mean apply\?/],
    ['mismatches notes nobody', /Seen on notes: done, inbox\.\n$/],
    [
      'rollback inbox notes --reason x',
      /no backend "inbox"\. Known are .*\. "inbox" is a key of notes: the backend comes first\.\n$/,
    ],
    ['status notes nobody', /Seen on notes: done, inbox\.\n$/],
  ])('%s', async (line, says) => {
    const { type } = place();
    const { code, out, err } = await type(line);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(says);
  });

  test('a plan that the gates refuse says that nothing was accepted', async () => {
    const { type } = place();
    const { code, err } = await type('promote notes inbox --accept list --plan --reason x');
    expect(code).toBe(99);
    expect(err).toContain('Nothing was changed.');
    expect((await type('history notes inbox')).out).not.toContain('accepted');
  });

  test('a store that is a folder, another file, or nowhere is told as that', async () => {
    const { type, path } = place();
    for (const [store, says] of [
      [path, /It is a folder: name the file/],
      [join(path, 'flags.json'), /It is another file, or a damaged one/],
      [join(path, 'nowhere.sqlite'), /There is no comparison store/],
    ] as const) {
      for (const line of ['history', 'rollback notes inbox --reason x', 'mismatches']) {
        const { code, err } = await type(`${line} --store ${store}`);
        expect([line, code]).toEqual([line, 1]);
        expect(err).toMatch(says);
      }
    }
    expect(readFileSync(join(path, 'flags.json'), 'utf8')).toContain('changeover.notes');
  });
});

describe('80 columns', () => {
  test('no line of any help is wider, but for what can be copied', async () => {
    const names = ['', 'adopt', 'verify'];
    const listed = (await typeChangeover(['--help'])).out;
    for (const [, name = ''] of listed.matchAll(/^ {2}([a-z]+)(?: [[<]|  )/gm)) names.push(name);
    for (const name of ['apply', 'plan', 'pull', 'validate', 'example'])
      names.push(`flags ${name}`);
    expect(names.length).toBeGreaterThan(20);
    for (const name of names.filter((one) => one !== 'adopt')) {
      const { out } = await typeChangeover([...name.split(' ').filter(Boolean), '--help']);
      const wide = out.split('\n').filter((line) => line.length > 80 && !/^ *\$ /.test(line));
      expect([name, wide]).toEqual([name, []]);
    }
  });
});

test('a user who may not write there is told so, and that nothing was changed', async () => {
  const { path, env } = place();
  const store = env['CHANGEOVER_STORE'] ?? '';
  execFileSync('chmod', ['-R', 'a+rX,a-w', join(path, '.changeover')]);
  const before = statSync(store).mtimeMs;
  // Root may write everywhere, and types this without that right.
  const asRoot = ['--bounding-set', '--inh-caps'].map((set) => `${set}=-dac_override`);
  const prefix = process.getuid?.() === 0 ? ['setpriv', ...asRoot] : ['env'];
  const [program, ...args] = [...prefix, process.execPath, ...nodeFlags, main];
  const line = ['rollback', 'notes', 'done', '--reason', 'x'];
  const { code, err } = await run(program, [...args, ...line], env);
  expect([code, err]).toEqual([1, expect.stringMatching(/can't be (written|read)/)]);
  expect(err).toMatch(/"enabled": false|a user who may write/);
  expect(statSync(store).mtimeMs).toBe(before);
  execFileSync('chmod', ['-R', 'u+w', path]);
});
