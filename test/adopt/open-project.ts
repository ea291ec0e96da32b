import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';

/** A copy of one of the programs in `projects`, in a folder of its own that finds this repository's packages. */
export interface ProjectCopy {
  readonly folder: string;
  readonly remove: () => void;
}

export function copyProject(name: string): ProjectCopy {
  const top = mkdtempSync(join(tmpdir(), 'changeover-adopt-'));
  const folder = join(top, name);
  cpSync(join(root, 'test/adopt/projects', name), folder, { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(top, 'node_modules'), 'dir');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2024',
        module: 'nodenext',
        types: ['node'],
        customConditions: ['@changeover/source'],
        strict: true,
        allowImportingTsExtensions: true,
        skipLibCheck: true,
        noEmit: true,
      },
      include: ['*.ts'],
    }),
  );
  return {
    folder,
    remove: () => rmSync(top, { recursive: true, force: true }),
  };
}
