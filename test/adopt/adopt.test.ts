import { afterEach, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { adopt, runAdopt } from '@changeover/adopt';
import { findWiring } from '../../packages/operate/src/command/bridge-wiring.ts';
import { stages } from '@changeover/core';
import { root } from '../architecture/source-files.ts';
import { testFlags } from '../command/write-test-flags.ts';
import { followFinish } from './follow-finish.ts';
import { copyProject, type ProjectCopy } from './open-project.ts';

let project: ProjectCopy | undefined;
afterEach(() => {
  project?.remove();
  project = undefined;
});

function open(name: string): string {
  project = copyProject(name);
  return project.folder;
}

/** Each program's module that makes the singleton. */
const modules: readonly (readonly [project: string, file: string, shape: string])[] = [
  ['class-singleton', 'notes.ts', 'instance'],
  ['memory-class', 'counter.ts', 'instance'],
  ['handle-sqlite', 'db.ts', 'handle'],
  ['lazy-handle', 'db.ts', 'handle'],
  ['default-handle', 'db.ts', 'handle'],
  ['windows', 'db.ts', 'handle'],
  ['handle-pg', 'db.ts', 'handle'],
  ['async-class', 'repository.ts', 'handle'],
  ['kysely', 'db.ts', 'handle'],
  ['knex', 'db.ts', 'handle'],
  ['functions', 'users.ts', 'functions'],
  ['object', 'settings.ts', 'object'],
  ['commonjs-object', 'store.cjs', 'object'],
  ['commonjs-functions', 'queue.cjs', 'functions'],
  ['commonjs-handle', 'db.cjs', 'handle'],
  ['default-knex', 'db.ts', 'handle'],
  ['exported-handle', 'db.cjs', 'handle'],
  ['lazy-promise', 'client.ts', 'handle'],
  ['re-exported', 'connection.ts', 'handle'],
  ['let-handle', 'db.ts', 'handle'],
  ['private-instance', 'store.ts', 'instance'],
  ['kysely-handle', 'db.ts', 'handle'],
  ['lazy-import', 'db.ts', 'handle'],
  ['duckdb', 'db.ts', 'handle'],
  ['lazy-duckdb', 'db.ts', 'handle'],
];

/** Programs and how they are started. */
const running: readonly (readonly [project: string, file: string, main: string])[] = modules.map(
  ([name, file]) => [name, file, `main.${file.endsWith('.cjs') ? 'cjs' : 'ts'}`],
);

function writeFlags(folder: string, bridge: string): void {
  for (const stage of stages)
    writeFileSync(join(folder, `${stage}.json`), JSON.stringify(testFlags({ [bridge]: stage })));
}

/** Runs a program in a process of its own, at each of the stages in turn, and gives what it wrote each time. */
function runProgram(folder: string, main: string, at: readonly string[] = ['legacy']): string[] {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [
      '--conditions=@changeover/source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'run-stages.ts'),
      join(folder, main),
      ...at,
    ],
    {
      cwd: folder,
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'] ?? '',
        DATABASE_URL: process.env['CHANGEOVER_TEST_DATABASE_URL'],
        DB_FILE: join(folder, 'data.sqlite'),
        CHANGEOVER_LEDGER: 'false',
        CHANGEOVER_LOG: 'error',
        CHANGEOVER_STORE: join(folder, 'store.sqlite'),
      },
    },
  );
  if (status !== 0) throw new Error(`${main} at ${at.join()} failed: ${stderr}`);
  return JSON.parse(stdout) as string[];
}

describe('adopting', () => {
  test.each(modules)(
    '%s finds what it hands out, and a second run changes nothing',
    (name, file, shape) => {
      const path = join(open(name), file);
      const before = readFileSync(path, 'utf8');
      const shown = adopt(path, { dryRun: true });
      expect(readFileSync(path, 'utf8')).toBe(before);
      const adopted = adopt(path);
      expect(adopted.outcome).toBe('adopted');
      expect(adopted.shape).toBe(shape);
      expect(adopted.diff).toBe(shown.diff);
      const after = readFileSync(path, 'utf8');
      expect(after).not.toBe(before);
      expect(adopt(path).outcome).toBe('already');
      expect(readFileSync(path, 'utf8')).toBe(after);
    },
  );

  test('every line that is not touched stays as it is, with its line ends', () => {
    const path = join(open('windows'), 'db.ts');
    adopt(path);
    const text = readFileSync(path, 'utf8');
    expect(text.replaceAll('\r\n', '')).not.toContain('\n');
    expect(text).toContain('"app.sqlite" ), { name: "db" });   // odd   spacing\r\n');
    expect(text).toContain('export { db as default,  db as connection };\r\n');
  });

  test('tells what each method is by its statements, its type and its name', () => {
    const { operations, properties } = adopt(join(open('class-singleton'), 'notes.ts'));
    expect(Object.fromEntries(operations.map((one) => [one.name, one.declared]))).toEqual({
      list: 'read.rows()',
      find: 'read()',
      each: 'read()',
      add: 'write()',
      inTransaction: 'transaction()',
      close: 'control()',
    });
    expect(properties).toEqual(['count']);
  });

  test('a method of which nothing tells is a write with a TODO', () => {
    const { operations } = adopt(join(open('functions'), 'users.ts'));
    const refresh = operations.find(({ name }) => name === 'refresh');
    expect(refresh?.declared).toBe('write()');
    expect(refresh?.todo).toContain('nothing tells');
    expect(readFileSync(join(project?.folder ?? '', 'users.ts'), 'utf8')).toContain(
      '// TODO: nothing tells',
    );
  });

  test('lists who calls it, and who needs await before an asynchronous pooled leg', () => {
    const { callSites } = adopt(join(open('functions'), 'users.ts'));
    expect(callSites.stay.map(({ operation }) => operation)).toEqual([
      'add',
      'byName',
      'list',
      'close',
    ]);
    expect(callSites.needAwait.map(({ operation }) => operation)).toEqual(['list', 'close']);
  });

  test('finds a connection of DuckDB however it is made, and gives each another of its own instance', () => {
    const path = join(open('duckdb'), 'db.ts');
    writeFileSync(path, duckdbShapes);
    const { todos } = adopt(path);
    const text = readFileSync(path, 'utf8').replaceAll(/name: '[\w-]+', /g, '');
    for (const written of [
      'opening ??= (async () => bridgeConnection(await instance.connect(), { pooled: async () => instance.connect() }))()',
      "DuckDBInstance.create('b').then(async (instance) => bridgeConnection(await instance.connect(), { pooled: async () => instance.connect() }))",
      'return bridgeConnection(await late.connect(), { pooled: async () => late!.connect() })',
      'one.connect(), { pooled: async () => one.connect() }',
      'bridgeConnection(await DuckDBConnection.create(instance), { pooled: async () => DuckDBConnection.create(instance) })',
    ])
      expect(text).toContain(written);
    expect(todos.join()).toContain('make one DuckDBInstance');
  });

  test('gives the connections of its own the options that a handle does not tell', () => {
    const path = join(open('handle-sqlite'), 'db.ts');
    const made = "new Database('app.sqlite', { verbose: console.log })";
    writeFileSync(path, `import Database from 'better-sqlite3';\nexport const db = ${made};\n`);
    adopt(path);
    expect(readFileSync(path, 'utf8')).toContain(
      `bridgeDatabase(${made}, { name: 'db', pooled: (file) => new Database(file, { verbose: console.log }) })`,
    );
  });

  test('follows what an index file hands on, and says which file it is', () => {
    const folder = open('re-exported');
    const { outcome, notes } = adopt(join(folder, 'index.ts'));
    expect(outcome).toBe('nothing');
    expect(notes.join()).toContain('Adopt the one that makes it: users.ts, connection.ts');
    const { callSites } = adopt(join(folder, 'connection.ts'));
    expect(callSites.needAwait.map(({ file, line }) => `${file}:${String(line)}`)).toEqual([
      'users.ts:4',
      'users.ts:7',
    ]);
  });

  test('what can be bridged nowhere is said to be nothing, and left as it is', () => {
    const path = join(open('functions'), 'types.ts');
    writeFileSync(path, 'export interface Empty {}\n');
    const out: string[] = [];
    const streams = { write: (text: string) => out.push(text) };
    expect(runAdopt([path], { stdout: streams, stderr: streams })).toBe(3);
    expect(runAdopt([], { stdout: streams, stderr: streams })).toBe(2);
    expect(runAdopt([join(path, 'none.ts')], { stdout: streams, stderr: streams })).toBe(1);
    expect(readFileSync(path, 'utf8')).toBe('export interface Empty {}\n');
  });
});

test('every adopted program type-checks', () => {
  const copies = modules
    .filter(([, file]) => file.endsWith('.ts'))
    .map(([name, file]) => {
      const copy = copyProject(name);
      adopt(join(copy.folder, file));
      return copy;
    });
  const [first] = copies;
  if (first === undefined) throw new Error('there is no program');
  // All in one, for most of the work is to read what they import.
  const options = JSON.parse(readFileSync(join(first.folder, 'tsconfig.json'), 'utf8')) as object;
  const include = copies.map(({ folder }) => `${folder}/*.ts`);
  const config = join(first.folder, 'every.json');
  writeFileSync(config, JSON.stringify({ ...options, include }));
  const { stdout } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', config],
    { encoding: 'utf8' },
  );
  for (const { remove } of copies) remove();
  expect(stdout).toBe('');
});

describe('an adopted program', () => {
  test.each(running)(
    '%s answers the same at each stage and back, and with no bridge at all',
    (name, file, main) => {
      const folder = open(name);
      const [expected = ''] = runProgram(folder, main);
      expect(expected).not.toBe('');
      writeFlags(folder, adopt(join(folder, file)).name);
      const thereAndBack = [...stages, ...stages.toReversed().slice(1)];
      expect(runProgram(folder, main, thereAndBack)).toEqual(thereAndBack.map(() => expected));
      // A pooled leg that is still to be written can't take the bridge's place.
      if (name === 'memory-class') return;
      const left = followFinish(folder);
      expect(readFileSync(join(folder, file), 'utf8')).not.toContain('changeover');
      expect(findWiring(folder).wiring).toEqual([]);
      // What is left is a person's to do: a pool opens connections by itself.
      if (left.length === 0) expect(runProgram(folder, main)).toEqual([expected]);
    },
    120_000,
  );

  test.each([
    ['class-singleton', 'notes.ts'],
    ['functions', 'users.ts'],
    ['object', 'settings.ts'],
  ])(
    '%s keeps the contract of a bridge at the four stages and back',
    (name, file) => {
      const folder = open(name);
      const path = join(folder, file);
      const { operations } = adopt(path);
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, text.replace("from 'changeover'", "from './captured.ts'"));
      writeFileSync(join(folder, 'captured.ts'), captured);
      const writes = operations.flatMap((one) => (one.declared === 'write()' ? [one.name] : []));
      writeFileSync(join(folder, 'contract.ts'), contractProgram(file, writes));
      expect(runProgram(folder, 'contract.ts')).toEqual(['[]\n']);
    },
    120_000,
  );
});

/** A connection made at first use, of an instance made for it, of one that is waited for, of one that comes later, by the class. */
const duckdbShapes = `
import { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
const instance = await DuckDBInstance.create('a');
let opening: Promise<DuckDBConnection> | undefined;
export const lazily = () => (opening ??= instance.connect());
export const chained = await (await DuckDBInstance.create('b')).connect();
export const waited = DuckDBInstance.create('c').then((one) => one.connect());
let late: DuckDBInstance | undefined;
export async function later() {
  late = await DuckDBInstance.create('d');
  return late.connect();
}
export const given = await DuckDBConnection.create(instance);
export const alone = await DuckDBConnection.create();
`;

/** `createBridge` that keeps what it was given, so that the contract can be checked on the very bridge that was written. */
const captured = `
import { createBridge as make } from 'changeover';
export * from 'changeover';
export const given = [];
export const createBridge = (options) => {
  given.push(options);
  return make(options);
};
`;

function contractProgram(file: string, writes: readonly string[]): string {
  return `
import { createBridge } from 'changeover';
import { contract } from 'changeover/testing';
import { given } from './captured.ts';
import * as module from './${file}';
// A class makes its bridge when it is first asked.
module.Notes?.getInstance().list();
const [options] = given;
const call = (name, ...args) => [name, (object) => object[name]?.(...args)];
const faults = await contract({
  legacy: options.legacy,
  pooled: options.pooled,
  writes: ${JSON.stringify(writes)},
  calls: Object.fromEntries([
    call('add', 'film'), call('set', 'theme', 'dark'), call('list'), call('all'),
    call('find', 1), call('get', 'theme'), call('byName', 'film'),
  ]),
  bridge: ({ legacy, pooled, stages }) =>
    createBridge({ ...options, legacy, pooled, stages, storePath: ':memory:' }),
});
console.log(JSON.stringify(faults));
`;
}
