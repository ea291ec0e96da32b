import { createRequire } from 'node:module';

/**
 * A package in CommonJS that is loaded when it is first used, because loading it takes long or because it need not be installed.
 * A bundler doesn't see it: it must be installed where the program runs.
 *
 * @param url that of the module that asks (`import.meta.url`), from where it is looked for first, and then from the working folder;
 * undefined in a bundle in CommonJS.
 * @param through the package whose own dependency it is, where it is another one's. Default: it is the asking module's.
 * @throws {Error} Node's, where it isn't found.
 */
export function loadInstalled(name: string, url: string | undefined, through?: string): unknown {
  const requireHere = requireThatFinds(through ?? name, url);
  if (through === undefined) return requireHere(name);
  return createRequire(requireHere.resolve(through))(name);
}

/**
 * Node's `require` from the place where a package is found: the asking module's, else the working folder, which stands for it in a
 * bundle. Some bundlers write down where a module was when the bundle was made, which is nowhere on the machine where it runs.
 */
export function requireThatFinds(name: string, url: string | undefined): NodeJS.Require {
  const fromFolder = createRequire(`${process.cwd()}/package.json`);
  if (url === undefined) return fromFolder;
  try {
    const fromModule = createRequire(url);
    fromModule.resolve(name);
    return fromModule;
  } catch {
    return fromFolder;
  }
}
