import { expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadInstalled } from './load-installed.ts';
import { ownProgram } from './own-program.ts';

function inFolder(work: (folder: string) => void): void {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'changeover-own-')));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function install(folder: string, name: string): string {
  const place = join(folder, 'node_modules', name);
  mkdirSync(place, { recursive: true });
  const file = join(place, 'program.js');
  writeFileSync(file, 'module.exports = __filename;');
  return file;
}

test('a program is TypeScript beside the module that asks in the repository', () => {
  const { path, execArgv } = ownProgram('@changeover/core/clock', import.meta.url);
  expect(path).toBe(join(import.meta.dirname, 'clock.ts'));
  expect(execArgv).toContain('--conditions=@changeover/source');
});

test('a program is what the package exports where the module that asks is built or in a bundle', () => {
  inFolder((folder) => {
    const installed = install(folder, '@changeover/made-up');
    const bundle = pathToFileURL(join(folder, 'out', 'server.js')).href;
    expect(ownProgram('@changeover/made-up/program.js', bundle)).toEqual({
      path: installed,
      execArgv: [],
    });
  });
});

test('a program that is not installed for a bundle is an error that says what to do', () => {
  inFolder((folder) => {
    const bundle = pathToFileURL(join(folder, 'server.js')).href;
    expect(() => ownProgram('@changeover/made-up/program.js', bundle)).toThrow(
      expect.objectContaining({
        code: 'PROGRAM_MISSING',
        message: expect.stringContaining('leave changeover and @changeover/* out of the bundle'),
      }),
    );
  });
});

test.each([
  ['the module that asks is in a bundle made elsewhere', 'file:///built/elsewhere/server.js'],
  ['a bundle does not know where it is', undefined],
])('what is loaded on use is found from the working folder where %s', (_when, url) => {
  // The repository's: jest runs in its top folder.
  expect(loadInstalled('fast-deep-equal', url)).toBeInstanceOf(Function);
});
