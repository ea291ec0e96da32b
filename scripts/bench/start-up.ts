import { openRecorder } from '@changeover/bridge';
import { createLogger } from 'changeover';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../run-node.ts';
import { type BenchCase, type BenchContext, type CaseResult, figureOf } from './figure.ts';
import { countText, takeTurns, timeText } from './measure.ts';
import { atMost } from './verdict.ts';

const packages = join(root, 'packages');
/** The built command, as the package's `bin` starts it for who installed it. */
const command = join(packages, 'changeover/dist/command/main.js');
/** Keys of which the comparison store knows when `status` is asked for. */
const keys = 1_000;

export const startUp: BenchCase = {
  name: 'start-up',
  title:
    'importing the built package, `changeover --help` and `status` of 1,000 datasets, each in a new process, beside peers',
  run: measureStartUp,
};

async function measureStartUp(context: BenchContext): Promise<CaseResult> {
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'ignore' });
  const folder = mkdtempSync(join(tmpdir(), 'changeover-start-'));
  try {
    const store = join(folder, 'store.sqlite');
    fillStore(store);
    const flags = join(folder, 'flags.json');
    writeFileSync(flags, JSON.stringify({ version: 2, features: [] }));
    const status = [command, 'status', '--store', store, '--flags', flags];
    const known = (await run(status)).match(/^sqlite +key_/gm)?.length ?? 0;
    if (known !== keys) throw new Error(`${keys} datasets were to be shown, found ${known}`);
    const timings = await takeTurns(
      context,
      {
        node: () => run(importing('node:path')),
        changeover: () => run(importing('changeover')),
        unleash: () => run(importing('unleash-client')),
        launchDarkly: () => run(importing('@launchdarkly/node-server-sdk')),
        help: () => run([command, '--help']),
        status: () => run(status),
      },
      { rounds: 11, roundMs: 1, equal: () => true },
    );
    const added = (name: 'changeover' | 'unleash' | 'launchDarkly'): number[] =>
      timings.addedMicros(name, 'node').map((micros) => micros / 1_000);
    const node = timeText(timings.medianMs('node'));
    const peer = (name: 'unleash' | 'launchDarkly'): string =>
      timeText(timings.medianMs(name) - timings.medianMs('node'));
    return {
      figures: [
        figureOf({
          key: 'import',
          name: "import of 'changeover', beyond the start of Node",
          unit: 'ms',
          rounds: added('changeover'),
          target: atMost(60),
          beside: `unleash-client ${peer('unleash')}, LaunchDarkly ${peer('launchDarkly')}; Node itself ${node}`,
        }),
        figureOf({
          key: 'help',
          name: '`changeover --help`, from the start of the process to its end',
          unit: 'ms',
          rounds: timings.of('help'),
          target: atMost(120),
          beside: `of which Node itself ${node}`,
        }),
        figureOf({
          key: 'status',
          name: `\`changeover status\` of ${countText(keys)} datasets, from the start of the process to its end`,
          unit: 'ms',
          rounds: timings.of('status'),
          target: atMost(300),
          beside: `of which Node itself ${node}`,
        }),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fillStore(path: string): void {
  const recorder = openRecorder({ path, run: 'bench', logger: createLogger({ level: 'error' }) });
  for (let at = 0; at < keys; at += 1)
    recorder.cell('sqlite', `key_${at}`, 'readTable', 'shadow').calls += 1;
  recorder.close();
}

function importing(name: string): string[] {
  return ['--input-type=module', '--eval', `await import('${name}'); process.exit(0);`];
}

/** Runs Node as a user does, without the bench's conditions, and answers what it printed. */
function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`node ${args.join(' ')} ended with ${String(code)}`));
    });
  });
}
