import { ChangeoverError, loadInstalled } from '@changeover/core';

/**
 * The library that a sink hands its measurements to: the program's own copy, because what the program registers with one copy
 * another one need not see.
 *
 * @throws {ChangeoverError} `PACKAGE_MISSING` where it isn't installed, with what to type.
 */
export function metricsLibrary(name: string, sink: string): unknown {
  try {
    return loadInstalled(name, import.meta.url);
  } catch (cause) {
    throw new ChangeoverError(
      'PACKAGE_MISSING',
      `Cannot load ${name}, which ${sink} hands its measurements to. Install it: npm install ${name}`,
      { cause },
    );
  }
}
