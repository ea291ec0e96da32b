import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Browser, Page } from 'playwright-core';
import { main, nodeFlags } from '../command/run-changeover.ts';
import { ownDatabase } from '../fleet/own-database.ts';
import { PodProcess } from '../fleet/pod-process.ts';
import { openBrowser } from '../kit/browser.ts';
import { programEnvironment } from '../kit/program-environment.ts';

// Programs, the console and the browser: each a process of its own, with a store in PostgreSQL between them.

const url = ownDatabase('console');
const program = new URL('./differing-program.ts', import.meta.url).href;
let browser: Browser;
let running: ChildProcess[] = [];
let programs: PodProcess[] = [];

beforeAll(async () => {
  browser = await openBrowser();
});

afterEach(async () => {
  for (const one of running) one.kill('SIGKILL');
  for (const one of programs) one.signal('SIGKILL');
  await Promise.all(programs.map(({ exited }) => exited));
  running = [];
  programs = [];
});

afterAll(async () => {
  await browser.close();
});

async function startProgram(): Promise<PodProcess> {
  const one = new PodProcess(program, [url()]);
  programs.push(one);
  await one.said((line) => line === 'ready');
  return one;
}

/** The address that the command prints. */
async function startConsole(): Promise<string> {
  const child = spawn(process.execPath, [...nodeFlags, main, 'console', '--port', '0'], {
    env: { ...programEnvironment(), CHANGEOVER_STORE: url() },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  return await new Promise((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve);
  });
}

/** Until it has met a mismatch: before it has read the ledger the legacy leg answers alone. */
async function findMismatch(one: PodProcess): Promise<void> {
  while (!one.lines.includes('compared')) {
    const before = one.lines.length;
    one.say('call');
    await one.said((line) => line === 'called' || line === 'compared', before);
  }
}

/** On a busy machine a program may hear of it too late: then a person asks again. */
async function runAgain(page: Page, wanted: RegExp): Promise<void> {
  for (let text = ''; !wanted.test(text);) {
    await page.getByRole('button', { name: 'Run again' }).first().click();
    await page.locator('#again-text', { hasText: /MISMATCH|No program|in time/ }).waitFor();
    text = await page.locator('#again').innerText();
    await page.keyboard.press('Escape');
  }
}

test('"Run again" is done by a program that shares the store, by another one that met it when that is gone, and by nobody when all are', async () => {
  const [found, other] = [await startProgram(), await startProgram()];
  await findMismatch(found);
  await findMismatch(other);
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(await startConsole());
  await page.locator('#mismatches article').first().waitFor();

  const said = /row +column +legacy +pooled[^]*Values stay in the program/;
  await runAgain(page, said);
  found.signal('SIGKILL');
  await found.exited;
  await runAgain(page, said);
  await other.end();
  await runAgain(page, /No program that runs on this store has its call in memory/);
  expect(problems).toEqual([]);
  await page.close();
});
