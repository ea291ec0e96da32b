import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { root } from '../architecture/source-files.ts';
import { main, nodeFlags, type Outcome, run } from '../command/run-changeover.ts';
import { programEnvironment } from '../kit/program-environment.ts';

/** A block of the page: a file, lines to type, or what they print. */
interface Block {
  readonly language: string;
  readonly info: string;
  readonly text: string;
}

const page = readFileSync(join(root, 'docs/tutorial.md'), 'utf8');
const blocks: readonly Block[] = [...page.matchAll(/^```(\w+)(.*)\n([^]*?)^```$/gm)].map(
  ([, language = '', info = '', text = '']) => ({ language, info, text }),
);
/** What the machine and its registry do, and what belongs to the folder that the test makes. */
const notRun = [/^npm (init|install|uninstall)\b/, /^mkdir /];
const patienceMs = 120_000;

let folder: string;
let shop: ChildProcess | undefined;
let shopSaid = '';

beforeAll(() => {
  folder = mkdtempSync(join(root, 'test/docs/.example-tutorial-'));
  writeFileSync(join(folder, 'package.json'), '{"name": "shop"}');
});

afterAll(async () => {
  await stopShop();
  rmSync(folder, { recursive: true, force: true });
});

async function stopShop(): Promise<void> {
  const running = shop;
  shop = undefined;
  if (running === undefined || running.exitCode !== null) return;
  const ended = new Promise((resolve) => running.once('exit', resolve));
  running.kill('SIGINT');
  await ended;
}

async function startShop(line: string): Promise<void> {
  await stopShop();
  const [, ...args] = line.split(' ');
  shop = spawn(process.execPath, [...nodeFlags, ...args], {
    cwd: folder,
    env: programEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [shop.stdout, shop.stderr])
    stream?.on('data', (data: Buffer) => (shopSaid += data.toString()));
}

/** A line as a person types it in the page's folder. */
function typeLine(line: string): Promise<Outcome> {
  const rest = line.replace(/ +#.*$/, '');
  const changeover = /^npx changeover (.*)$/.exec(rest);
  if (changeover === null) return run('sh', ['-c', `cd ${folder} && ${rest}`], {});
  const words = [...(changeover[1] ?? '').matchAll(/"([^"]*)"|\S+/g)].map(
    ([word, quoted]) => quoted ?? word,
  );
  // The page's folder is the working folder, as for a person.
  const enter = `process.chdir(${JSON.stringify(folder)}); process.argv.splice(1, 0, 'changeover'); await import(${JSON.stringify(main)});`;
  return run(process.execPath, [...nodeFlags, '--input-type=module', '-e', enter, '--', ...words], {
    NO_COLOR: '1',
  });
}

function writeBlock({ info, text }: Block): void {
  const [, name = ''] = /file=(\S+)/.exec(info) ?? [];
  const [, replaced] = /replace="([^"]*)"/.exec(info) ?? [];
  const path = join(folder, name);
  if (replaced === undefined) {
    writeFileSync(path, text);
    return;
  }
  const before = readFileSync(path, 'utf8');
  expect(before).toContain(replaced);
  writeFileSync(path, before.replace(replaced, text.trim()));
}

/** Whether the page's lines are in the answer, in any columns: people read the words. */
function shows(answer: string, expected: string): boolean {
  return expected
    .trim()
    .split('\n')
    .every((line) =>
      answer.split('\n').some((one) => line.split(/\s+/).every((word) => one.includes(word))),
    );
}

test(
  'the tutorial does what it says, file by file and line by line',
  async () => {
    expect(blocks.length).toBeGreaterThan(15);
    for (const [at, block] of blocks.entries()) {
      if (block.language === 'js') writeBlock(block);
      if (block.language !== 'sh') continue;
      const lines = block.text.trim().split('\n');
      const next = blocks[at + 1];
      for (const [number, line] of lines.entries()) {
        if (notRun.some((one) => one.test(line))) continue;
        if (block.info.includes('terminal=1')) {
          await startShop(line);
          continue;
        }
        const isLast = number === lines.length - 1;
        const expected = isLast && next?.language === 'text' ? next.text : undefined;
        await until(line, expected);
      }
    }
    // The last thing that was started is the shop without a bridge: it must be running and have said nothing.
    await pause(1_000);
    expect(shop?.exitCode).toBeNull();
    expect(shopSaid.split('\n').filter((line) => /Error|Cannot/.test(line))).toEqual([]);
  },
  10 * patienceMs,
);

/** The page says to type a line again where it is too early: a stage is reached in moments, evidence takes longer. */
async function until(line: string, expected: string | undefined): Promise<void> {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const { code, out, err } = await typeLine(line);
    // What the page shows of gates that don't hold yet comes with their exit code.
    const done =
      expected === undefined ? code === 0 : (code === 0 || code === 3) && shows(out, expected);
    if (done) return;
    const mayWait = (code === 0 || code === 3) && Date.now() < giveUpAt;
    if (!mayWait) throw new Error(`${line}\nended with ${String(code)}:\n${out}${err}${shopSaid}`);
    await pause(500);
  }
}
