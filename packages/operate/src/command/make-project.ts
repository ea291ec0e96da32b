import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { stageFlag } from '@changeover/bridge';
import { CommandError, exitCodes } from './command-error.ts';
import { exampleFlags } from './example-flags.ts';
import { type InitHandle, ownSingleton, type WiringImport } from './init-handle.ts';
import { type Project, readProject } from './init-project.ts';
import type { Terminal } from './terminal.ts';

/** What `init` lets a person type. */
export interface InitOptions {
  readonly folder: string;
  readonly name?: string;
  readonly handle?: string;
  readonly plan?: boolean;
  readonly format?: string;
}

/** A file that the project needs, and what became of it. */
interface InitFile {
  readonly path: string;
  readonly what: string;
  readonly state: 'made' | 'would be made' | 'is there';
  /** What a person does with one that is there; null where nothing. */
  readonly todo: string | null;
}

/** Makes what a project needs to begin with, and says what comes next: `changeover init`. */
export function makeProject(
  handles: readonly InitHandle[],
  terminal: Terminal,
  options: InitOptions,
): void {
  const project = readProject(resolve(options.folder));
  const handle = handleFor(handles, project, options.handle);
  const name = nameOf(options.name ?? handle.name);
  const plan = options.plan === true;
  const files = [flagsFile(project, name, plan), wiringFile(project, handle, name, plan)];
  const own = handle.packageName === undefined ? [] : [handle.packageName];
  const install = [...own, ...handle.needs(project.packages), 'changeover'].filter(
    (one) => !project.packages.has(one),
  );
  const others = handles
    .filter((one) => one !== handle && one.packageName !== undefined)
    .flatMap(({ packageName = '' }) => (project.packages.has(packageName) ? [packageName] : []));
  const steps = nextSteps(handle, install, files);
  terminal.answer(
    [
      handle.packageName === undefined
        ? `No handle that is known is named in package.json: ${handle.title}.`
        : `${handle.packageName}: ${handle.title}.`,
      ...(others.length === 0
        ? []
        : [
            `Also found: ${others.join(', ')}. Wire another one: changeover init --handle ${others[0] ?? ''}`,
          ]),
      '',
      ...files.flatMap(({ path, what, state, todo }) => [
        `  ${state.padEnd(13)} ${shown(project, path)}   ${what}`,
        ...(todo === null ? [] : [`                ${todo}`]),
      ]),
      '  not needed    flags/gates.json   the default gates hold until you write your own',
      '',
      plan ? 'Nothing was made. Without --plan, then:' : 'Then:',
      ...steps.map((step, at) => `  ${String(at + 1)}. ${step}`),
    ],
    {
      handle: handle.packageName ?? 'own',
      name,
      files,
      install,
      steps,
      next: [...installCommands(install), 'changeover doctor', 'changeover status'],
    },
  );
}

function handleFor(
  handles: readonly InitHandle[],
  { packages }: Project,
  typed: string | undefined,
): InitHandle {
  if (typed === 'own') return ownSingleton;
  const found = handles.find(({ packageName }) =>
    typed === undefined ? packages.has(packageName ?? '') : packageName === typed,
  );
  return found ?? ownSingleton;
}

/** @throws {CommandError} for what no flag could be called. */
function nameOf(name: string): string {
  if (/^[\w-]{1,60}$/.test(name)) return name;
  throw new CommandError(
    `--name is ${JSON.stringify(name.slice(0, 80))}: use letters, digits, - and _, at most 60.`,
    exitCodes.usage,
  );
}

function flagsFile({ folder }: Project, name: string, plan: boolean): InitFile {
  const path = join(folder, 'flags', 'changeover.json');
  const what = `the flag ${stageFlag(name)}: every key on legacy`;
  if (!existsSync(path)) return make({ path, what }, exampleFlags([name]), plan);
  const todo = readFileSync(path, 'utf8').includes(JSON.stringify(stageFlag(name)))
    ? null
    : `has no flag ${stageFlag(name)}: copy it from changeover flags example ${name}`;
  return { path, what, state: 'is there', todo };
}

function wiringFile(project: Project, handle: InitHandle, name: string, plan: boolean): InitFile {
  const { folder, language } = project;
  const source = existsSync(join(folder, 'src')) ? join(folder, 'src') : folder;
  const path = join(source, language === 'typescript' ? 'bridge.ts' : 'bridge.js');
  const what = 'the bridge, to be made yours';
  if (existsSync(path)) return { path, what, state: 'is there', todo: null };
  return make({ path, what }, wiring(project, handle, name), plan);
}

function make(file: Pick<InitFile, 'path' | 'what'>, text: string, plan: boolean): InitFile {
  if (plan) return { ...file, state: 'would be made', todo: null };
  mkdirSync(dirname(file.path), { recursive: true });
  // Never over a file that came in between.
  writeFileSync(file.path, text, { flag: 'wx' });
  return { ...file, state: 'made', todo: null };
}

function wiring({ language, packages }: Project, handle: InitHandle, name: string): string {
  const isCommonJs = language === 'commonjs';
  const variable = name.replaceAll(/[^A-Za-z0-9_]+(.)?/g, (_all, next: string | undefined) =>
    (next ?? '').toUpperCase(),
  );
  const lines = handle.imports(packages).map((one) => importLine(one, isCommonJs));
  const body = handle.body({
    name,
    variable: /^\d|^$/.test(variable) ? `bridge${variable}` : variable,
    typescript: language === 'typescript',
    found: packages,
  });
  const exported = isCommonJs
    ? `${body.replace(/^export const (\w+) = /m, 'const $1 = ')}\nmodule.exports = { ${/^export const (\w+)/m.exec(body)?.[1] ?? ''} };\n`
    : body;
  return `${lines.join('\n')}\n\n${exported}`;
}

function importLine({ names, from }: WiringImport, isCommonJs: boolean): string {
  const what = typeof names === 'string' ? names : `{ ${names.join(', ')} }`;
  return isCommonJs ? `const ${what} = require('${from}');` : `import ${what} from '${from}';`;
}

function nextSteps(
  handle: InitHandle,
  install: readonly string[],
  files: readonly InitFile[],
): string[] {
  const bridge = relative(process.cwd(), files[1]?.path ?? '');
  return [
    ...installCommands(install),
    `Open ${bridge}: ${handle.next}.`,
    'npx changeover doctor    checks what it needs, and says what to do',
    'npx changeover status    what was called, and where it stands, once the program has run',
  ];
}

function installCommands(install: readonly string[]): readonly string[] {
  return install.length === 0 ? [] : [`npm install ${install.join(' ')}`];
}

function shown({ folder }: Project, path: string): string {
  return relative(folder, path);
}
