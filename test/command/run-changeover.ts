import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { runCommand } from '@changeover/operate/command';
import { moreSubcommands } from '../../packages/changeover/src/command/subcommands.ts';
import { root } from '../architecture/source-files.ts';
import { programEnvironment } from '../kit/program-environment.ts';

/** The command's own file. */
export const main: string = join(root, 'packages/changeover/src/command/main.ts');
/** What the launcher gives Node, without a second process between. */
export const nodeFlags: readonly string[] = [
  '--conditions=@changeover/source',
  '--disable-warning=ExperimentalWarning',
];

/** What became of one line that was typed. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `changeover` in this process, with an environment of its own. */
export async function typeChangeover(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const text = { out: '', err: '' };
  const code = await runCommand(
    args,
    {
      stdout: {
        write: (part) => {
          text.out += part;
        },
      },
      stderr: {
        write: (part) => {
          text.err += part;
        },
      },
      env,
    },
    { version: '0.1.0', more: moreSubcommands },
  );
  return { code, ...text };
}

/** Runs `changeover` as a process of its own. Of the environment only `env` and what Node needs reaches it. */
export function runChangeover(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return run(process.execPath, [...nodeFlags, main, ...args], env);
}

export function run(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<Outcome> {
  const child = spawn(file, args, {
    cwd,
    env: { ...programEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => {
    text.out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    text.err += data.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, ...text });
    });
  });
}
