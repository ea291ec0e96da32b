import { createRequire } from 'node:module';
import { ChangeoverError } from './errors.ts';
import { requireThatFinds } from './load-installed.ts';

/** A program that runs in a thread or a process of its own. */
export interface OwnProgram {
  /** Its file, absolute. */
  readonly path: string;
  /** Node's options for it. */
  readonly execArgv: readonly string[];
}

/**
 * Finds a program of Changeover's own: TypeScript beside the asking module in the repository, else what the package exports. Where the
 * asking module is part of a bundle, that is the package as it is installed for the bundle.
 *
 * @param program the package's name with the program's: `@changeover/bridge/say-the-last`. Its file has the last part as its name.
 * @param url that of the module that asks (`import.meta.url`); undefined in a bundle in CommonJS.
 * @throws {ChangeoverError} `PROGRAM_MISSING` where it isn't installed, with what to do.
 */
export function ownProgram(program: string, url: string | undefined): OwnProgram {
  if (url?.endsWith('.ts') === true) {
    const file = program.slice(program.lastIndexOf('/') + 1);
    return {
      path: createRequire(url).resolve(`./${file}.ts`),
      execArgv: ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning'],
    };
  }
  try {
    return { path: requireThatFinds(program, url).resolve(program), execArgv: [] };
  } catch (cause) {
    throw new ChangeoverError(
      'PROGRAM_MISSING',
      `Cannot find ${program}, which runs beside the main thread. It can't be part of a bundle: ` +
        'install changeover where the program runs, or leave changeover and @changeover/* out of the bundle.',
      { cause },
    );
  }
}
