import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { root } from '../architecture/source-files.ts';

/** A real Chromium, of this repository's own: the package would unpack it where another user's may lie already. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: unpacked(),
    args: ['--no-sandbox', '--disable-gpu'],
    headless: true,
  });
}

/** Unpacked once a version, in a folder that is there whole or not at all, since tests run beside each other. */
function unpacked(): string {
  const manifest = JSON.parse(
    readFileSync(join(root, 'node_modules/@sparticuz/chromium/package.json'), 'utf8'),
  ) as { version: string };
  const folder = join(root, '.changeover', `chromium-${manifest.version}`);
  const executable = join(folder, 'chromium');
  if (existsSync(executable)) return executable;
  mkdirSync(join(root, '.changeover'), { recursive: true });
  const making = mkdtempSync(`${folder}-`);
  try {
    const program = "await (await import('@sparticuz/chromium')).default.executablePath();";
    const env = { ...process.env, NODE_OPTIONS: '', TMPDIR: making };
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, env });
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    // Another test was first.
    if (!existsSync(executable)) throw error;
  }
  return executable;
}
