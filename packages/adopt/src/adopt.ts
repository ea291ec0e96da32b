import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { SourceFile } from 'ts-morph';
import { type CallSites, findCallSites } from './call-sites.ts';
import { applyEdits } from './edits.ts';
import { findSingleton, type Seam, type Singleton, targetOf } from './find-singleton.ts';
import { handlesIn, type OtherHandle, otherHandlesIn } from './handles.ts';
import { importsOf } from './imported.ts';
import { inferOperation, type Operation } from './infer-kind.ts';
import { type OpenProject, openProject } from './project.ts';
import { styleOf } from './text-style.ts';
import { unifiedDiff } from './unified-diff.ts';
import { writeBridge } from './write-bridge.ts';

/** What {@link adopt} is to do. */
export interface AdoptOptions {
  /** The bridge's name, 1 to 63 letters, digits, `_` and `-`. Default: that of the exported variable, class or file. */
  readonly name?: string | undefined;
  /** Where the bridge goes. Default: `statement` where a handle that an adapter stands in for is handed out, shared by the module's
   * functions, or given any statement; `methods` otherwise. */
  readonly seam?: Seam | undefined;
  /** True writes nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
}

/** What became of a module. */
export interface Adoption {
  /** `adopted`: the bridge is written, or would be. `already`: it was there. `nothing`: there is nothing to bridge. */
  readonly outcome: 'adopted' | 'already' | 'nothing';
  /** The module's path below the project's root. */
  readonly file: string;
  readonly shape: Singleton['shape'] | undefined;
  readonly name: string;
  readonly operations: readonly Operation[];
  /** Getters and properties, which are declared as nothing. */
  readonly properties: readonly string[];
  readonly todos: readonly string[];
  readonly notes: readonly string[];
  readonly callSites: CallSites;
  /** As `diff -u` writes it; empty where nothing changes. */
  readonly diff: string;
}

/**
 * Puts a bridge in the place of what a module hands out: its handle, its class's one instance, its object or its functions. Only the
 * places that change are written; all else of the file stays byte for byte.
 *
 * @param path the module: TypeScript or JavaScript, ES modules or CommonJS.
 * @throws {RangeError} for a file that is not there and a name that flags can't have.
 */
export function adopt(path: string, options: AdoptOptions = {}): Adoption {
  const project = openProject(path);
  const { file } = project;
  const base = { file: project.pathOf(file), operations: [], properties: [], todos: [], diff: '' };
  const none = { callSites: { stay: [], needAwait: [] }, shape: undefined };
  const imports = [...importsOf(file).values()];
  if (
    imports.some(({ module, name }) => /^changeover(?:\/|$)/.test(module) && /bridge/i.test(name))
  )
    return {
      ...base,
      ...none,
      outcome: 'already',
      name: options.name ?? '',
      notes: ['The module makes a bridge already.'],
    };
  const singleton = findSingleton(file, options.seam);
  if (singleton === undefined)
    return {
      ...base,
      ...none,
      outcome: 'nothing',
      name: options.name ?? '',
      notes: whyNothing(project),
    };
  const name = checkedName(options.name ?? nameOf(file, singleton));
  const operations = operationsOf(singleton);
  const text = file.getFullText();
  // What the compiler reads has no byte order mark.
  const raw = readFileSync(file.getFilePath(), 'utf8');
  const mark = raw.startsWith('\ufeff') && !text.startsWith('\ufeff') ? '\ufeff' : '';
  const style = styleOf(text);
  const { edits, todos, notes = [] } = writeBridge({ file, singleton, operations, name, style });
  const after = mark + applyEdits(text, edits, style.lineEnd);
  const callSites = findCallSites(project, singleton, operations);
  if (options.dryRun !== true) writeFileSync(file.getFilePath(), after);
  return {
    outcome: 'adopted',
    file: project.pathOf(file),
    shape: singleton.shape,
    name,
    operations,
    properties: singleton.shape === 'handle' ? [] : singleton.members.properties,
    todos: [
      ...todos,
      ...operations.flatMap((one) => (one.todo === undefined ? [] : [`${one.name}: ${one.todo}`])),
    ],
    notes: [...notes, ...notesOf(file, singleton)],
    callSites,
    diff: unifiedDiff(project.pathOf(file), raw, after),
  };
}

function operationsOf(singleton: Singleton): Operation[] {
  if (singleton.shape === 'handle') return [];
  const operations = singleton.members.methods.map(inferOperation);
  if (singleton.shape === 'instance') return operations;
  // Both legs are one object at first, and a second `close` may fail.
  return operations.map((one) =>
    one.declared === 'control()'
      ? {
          ...one,
          declared: 'legacyOnly()',
          todo: 'control() as soon as the pooled leg is another object.',
        }
      : one,
  );
}

function notesOf(file: SourceFile, { shape }: Singleton): string[] {
  const handles = handlesIn(file);
  if (shape === 'handle' || handles.length === 0)
    return otherHandlesIn(file).slice(0, 1).map(otherText);
  const [handle] = handles;
  return [
    `${handle?.kind ?? 'A handle'} is made in line ${String(handle?.creation.getStartLineNumber() ?? 0)}: with --seam statement the ` +
      'bridge goes there, needs no pooled leg of yours, and no method is declared.',
  ];
}

function whyNothing({ file, pathOf }: OpenProject): string[] {
  const files = file
    .getExportDeclarations()
    .flatMap((one) => one.getModuleSpecifierSourceFile() ?? []);
  const from = [...new Set(files)].map(pathOf);
  const others = otherHandlesIn(file);
  return [
    'Nothing was found that a bridge stands in for: a handle of better-sqlite3, pg, Kysely, Knex or DuckDB, the one instance of a ' +
      'class, an exported object with methods, exported functions.',
    ...(from.length === 0
      ? []
      : [`It exports what others make. Adopt the one that makes it: ${from.join(', ')}.`]),
    ...others.slice(0, 1).map(otherText),
  ];
}

function otherText({ line, text }: OtherHandle): string {
  return `Line ${String(line)} makes a handle ${text}`;
}

/** The variable, the class or the file: `db`, `notes`, `userStore`. */
function nameOf(file: SourceFile, singleton: Singleton): string {
  const target =
    singleton.shape === 'handle'
      ? targetOf(singleton.handles[0]?.creation ?? file)
      : singleton.shape === 'instance'
        ? singleton.owner.getName()
        : singleton.shape === 'object'
          ? targetOf(singleton.literal)
          : undefined;
  const vague =
    target === undefined ||
    /^_*(?:instance|connection|client|pool|conn|cached?|singleton|inner|handle|self)_*$/i.test(
      target,
    );
  const stem = basename(file.getFilePath()).replace(/\.[cm]?[jt]sx?$/, '');
  const name = vague ? (stem === 'index' ? basename(file.getDirectoryPath()) : stem) : target;
  const plain = name
    .replaceAll(/[^\w-]+/g, '-')
    .replaceAll(/^[-_]+|[-_]+$/g, '')
    .slice(0, 63);
  return plain === '' ? 'storage' : plain.slice(0, 1).toLowerCase() + plain.slice(1);
}

function checkedName(name: string): string {
  if (/^[\w-]{1,63}$/.test(name)) return name;
  throw new RangeError(
    `${JSON.stringify(name)} can't be a bridge's name: 1 to 63 letters, digits, _ and -.`,
  );
}
