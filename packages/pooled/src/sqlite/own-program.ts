/** A program of this package that runs in a thread or a process of its own. */
export interface OwnProgram {
  readonly url: URL;
  /** Node's options for it. */
  readonly execArgv: readonly string[];
}

/** Finds a program: TypeScript in the repository and JavaScript in the package; the URL has to name the one that is there. */
export function ownProgram(name: 'child' | 'worker'): OwnProgram {
  return import.meta.url.endsWith('.ts')
    ? {
        url: new URL(`./${name}.ts`, import.meta.url),
        execArgv: ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning'],
      }
    : { url: new URL(`./${name}.js`, import.meta.url), execArgv: [] };
}
