import { createRequire } from 'node:module';

/**
 * A package in CommonJS that is loaded when it is first used, because loading it takes long or because it need not be installed.
 * A bundler doesn't see it: it must be installed where the program runs.
 *
 * @param url that of the module that asks (`import.meta.url`), from where it is looked for; undefined in a bundle in CommonJS, where
 * the working folder stands for it.
 * @param through the package whose own dependency it is, where it is another one's. Default: it is the asking module's.
 * @throws {Error} Node's, where it isn't found.
 */
export function loadInstalled(name: string, url: string | undefined, through?: string): unknown {
  const requireHere = createRequire(url ?? `${process.cwd()}/`);
  if (through === undefined) return requireHere(name);
  return createRequire(requireHere.resolve(through))(name);
}
