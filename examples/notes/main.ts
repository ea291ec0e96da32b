import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bridgeOf, type Stage } from 'changeover';
import { notes } from './bridge.ts';

const command = join(import.meta.dirname, '../../packages/changeover/bin/changeover.mjs');
const folder = mkdtempSync(join(tmpdir(), 'changeover-notes-'));
const flagsFile = join(folder, 'flags.json');
process.env['CHANGEOVER_FLAGS'] = flagsFile;
process.env['CHANGEOVER_STORE'] = join(folder, 'comparisons.sqlite');

/** Types a line of the command, as an operator would in another terminal, and shows what it says. */
async function type(...args: readonly string[]): Promise<string> {
  console.log(`$ changeover ${args.join(' ')}`);
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...args], {
    env: { ...process.env, NO_COLOR: '1' },
  });
  if (args[0] !== 'flags') console.log(stdout.trimEnd());
  return stdout;
}

const bridge = bridgeOf(notes);

/** Running programs follow the flags and the ledger within moments. */
async function reached(stage: Stage): Promise<void> {
  for (let tries = 0; bridge.stageOf('inbox') !== stage; tries += 1) {
    if (tries === 500) throw new Error(`inbox did not come to ${stage}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let written = 0;
/** What the program does all day. */
async function work(stage: Stage, calls: number): Promise<void> {
  await reached(stage);
  for (let call = 0; call < calls; call += 1) {
    assert.equal(await notes.add('inbox', `note ${String(written)}`), (written += 1));
    assert.equal((await notes.list('inbox')).length, written);
    await bridge.idle();
  }
  const { totals } = bridge.recorder.summary();
  assert.equal(totals.mismatch + totals.inconclusive + totals.failed, 0);
  bridge.recorder.flush();
  console.log(
    `${stage.padEnd(8)} ${String(written)} notes; ${String(totals.match)} compared and equal`,
  );
}

try {
  writeFileSync(flagsFile, await type('flags', 'example', 'notes'));
  await work('legacy', 1);
  assert.match(await type('status'), /notes.*inbox.*legacy/s);
  await type('promote', 'notes', 'inbox', '--reason', 'a first look');
  await work('shadow', 200);
  // A write runs once, so nothing compares it: whoever promotes the key accepts that by name.
  await type('promote', 'notes', 'inbox', '--accept', 'add', '--reason', 'a week of matches');
  await work('reverse', 200);
  await type('promote', 'notes', 'inbox', '--reason', 'still equal');
  await work('pooled', 1);
  await type('rollback', 'notes', 'inbox', '--reason', 'a rehearsal of the way back');
  await work('legacy', 1);
  await type('resume', 'notes', 'inbox', '--reason', 'the way back is open');
  await work('shadow', 1);
  assert.match(await type('history', 'notes'), /a rehearsal of the way back/);
} finally {
  await bridge.close();
  await notes.close();
  rmSync(folder, { recursive: true, force: true });
}
