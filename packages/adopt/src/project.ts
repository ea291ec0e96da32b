import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Project, type SourceFile, ts } from 'ts-morph';

/** Folders that hold no sources of the project. */
const passed = new Set(['node_modules', 'dist', 'build', 'coverage', 'out', '.git', '.next']);
const source = /\.[cm]?[jt]sx?$/;
/** A project with more files than this is looked at only by its tsconfig: reading them all would take minutes. */
const mostFiles = 4_000;

/** The project that a module is part of. */
export interface OpenProject {
  /** The folder of the nearest package.json, tsconfig.json or repository, else the module's own. */
  readonly root: string;
  readonly file: SourceFile;
  readonly sources: readonly SourceFile[];
  /** A file's path below the root, with `/`. */
  readonly pathOf: (file: SourceFile | string) => string;
}

/** Reads a module and everything around it that may use it: TypeScript and JavaScript, tests included. Nothing is written.
 *
 * @throws {RangeError} where there is no such file. */
export function openProject(path: string): OpenProject {
  const full = resolve(path);
  if (!existsSync(full)) throw new RangeError(`There is no file ${path}.`);
  const root = rootOf(dirname(full));
  const config = [join(dirname(full), 'tsconfig.json'), join(root, 'tsconfig.json')].find((one) =>
    existsSync(one),
  );
  const project = projectBy(config);
  const found = filesBelow(root);
  // One by one: by patterns, a folder that a tsconfig names and nobody has generated yet is an error.
  if (found.length < mostFiles) for (const one of found) project.addSourceFileAtPathIfExists(one);
  else if (config !== undefined) project.addSourceFilesFromTsConfig(config);
  const file = project.getSourceFile(full) ?? project.addSourceFileAtPath(full);
  return {
    root,
    file,
    sources: project.getSourceFiles().filter((one) => !one.isInNodeModules()),
    pathOf: (one) =>
      relative(root, typeof one === 'string' ? one : one.getFilePath())
        .split(sep)
        .join('/'),
  };
}

/** With the compiler options of a tsconfig, or of Node where there is none that can be used: one may extend a file that is only generated. */
function projectBy(config: string | undefined): Project {
  const shared = { skipAddingFilesFromTsConfig: true, skipFileDependencyResolution: true };
  const compilerOptions = { allowJs: true, noEmit: true };
  try {
    if (config !== undefined)
      return new Project({ ...shared, tsConfigFilePath: config, compilerOptions });
  } catch {
    // Its options matter for finding callers alone.
  }
  return new Project({
    ...shared,
    compilerOptions: {
      ...compilerOptions,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
    },
  });
}

function rootOf(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (['package.json', 'tsconfig.json', '.git'].some((name) => existsSync(join(folder, name)))) {
      // A tsconfig of its own in `src` does not make that folder the project: tests are beside it.
      const above = dirname(folder);
      return !existsSync(join(folder, 'package.json')) && existsSync(join(above, 'package.json'))
        ? above
        : folder;
    }
    if (dirname(folder) === folder) return start;
  }
}

function filesBelow(folder: string, found: string[] = []): string[] {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (found.length >= mostFiles) break;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!passed.has(entry.name)) filesBelow(path, found);
    } else if (source.test(entry.name) && !entry.name.endsWith('.d.ts')) found.push(path);
  }
  return found;
}
