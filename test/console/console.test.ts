import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStorageBridge } from 'changeover';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { placeOf } from '../../packages/changeover/src/command/migration.ts';
import { openConsole } from '../../packages/changeover/src/console/open-console.ts';
import { root } from '../architecture/source-files.ts';
import { nodeFlags, typeChangeover } from '../command/run-changeover.ts';
import { writeTestFlags } from '../command/write-test-flags.ts';
import { openBrowser } from '../kit/browser.ts';

let folder: string;
let browser: Browser;
const hostile = '<img src=x onerror="globalThis.injected=1"><script>globalThis.injected=1</script>';

/** A migration with a real store, and a browser. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-console-'));
  writeTestFlags(join(folder, 'flags.json'), { sqlite: 'shadow' });
  const bridge = createStorageBridge({ basePath: folder, flagsFile: join(folder, 'flags.json') });
  try {
    for (const dataset of ['titanic', 'iris', 'penguins']) {
      await bridge.storage('sqlite').createDataset(dataset);
      await bridge.storage('sqlite').writeTable(dataset, 'train', [{ id: 1 }]);
      await bridge.storage('sqlite').readTable(dataset, 'train');
    }
    await bridge.idle();
    browser = await openBrowser();
  } finally {
    await bridge.close();
  }
}, 60_000);

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

const env = (): Record<string, string> => ({ CHANGEOVER_BASE_PATH: folder, CHANGEOVER_FLAGS: join(folder, 'flags.json') });
const open = (readOnly = false): ReturnType<typeof openConsole> => openConsole({ place: placeOf({}, env()), port: 0, readOnly });

async function visit(url: string): Promise<{ page: Page; requests: string[]; problems: string[] }> {
  const page = await browser.newPage();
  const [requests, problems]: [string[], string[]] = [[], []];
  page.on('request', (one) => requests.push(one.url()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  await page.goto(url);
  await page.getByText('titanic').first().waitFor();
  return { page, requests, problems };
}

test('shows stages, and a rollback by keyboard shows its plan, moves the dataset and is in the timeline as text', async () => {
  const running = await open();
  try {
    const { page, requests, problems } = await visit(running.url);
    const row = page.locator('#datasets tr', { hasText: 'titanic' });
    expect(await row.locator('.stage').innerText()).toBe('shadow');
    await page.getByRole('button', { name: 'Roll back sqlite titanic' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type(`slow ${hostile}`);
    await page.keyboard.press('Enter');
    await page.getByText('Nothing was changed.').waitFor();
    expect(await page.locator('#plan').innerText()).toContain('sqlite titanic: shadow → legacy');
    expect(await row.locator('.stage').innerText()).toBe('shadow');
    await page.keyboard.press('Enter');
    await page.locator('.timeline', { hasText: hostile }).waitFor();
    await row.locator('.stage.legacy').waitFor();
    expect(await page.evaluate('globalThis.injected')).toBeUndefined();
    expect(await page.locator('#view img, #view script').count()).toBe(0);
    expect(requests.filter((url) => !url.startsWith(new URL(running.url).origin) && !url.startsWith('data:'))).toEqual([]);
    expect(page.url()).not.toContain('#');
    expect(problems).toEqual([]);
    const { out } = await typeChangeover(['status', '--format', 'json'], env());
    expect(JSON.parse(out)).toMatchObject({ datasets: [{ dataset: 'iris', stage: 'shadow' }, { dataset: 'penguins' },
      { dataset: 'titanic', stage: 'legacy', held: true }] });
    await page.close();
  } finally {
    await running.close();
  }
});

test('fits a phone and both colour schemes', async () => {
  const running = await open(true);
  try {
    const { page } = await visit(running.url);
    const shots = process.env['CHANGEOVER_SCREENSHOTS'];
    const colours = new Set<unknown>();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      colours.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      for (const width of [360, 1_200]) {
        await page.setViewportSize({ width, height: 800 });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
        if (shots !== undefined) await page.screenshot({ path: join(shots, `${colorScheme}-${width}.png`), fullPage: true });
      }
    }
    expect(colours.size).toBe(2);
    expect(await page.locator('#view button').count()).toBe(0);
    await page.close();
  } finally {
    await running.close();
  }
});

/** Node's own `fetch` sets Host by itself. */
function ask(url: string, headers: Record<string, string>, body?: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request(url, { method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  }).on('error', reject).end(body);
  return promise;
}

test('another site, another host, no token or a long body change nothing', async () => {
  const running = await open();
  try {
    const { origin, hash } = new URL(running.url);
    const right = { origin, 'content-type': 'application/json', 'x-changeover-token': hash.slice(1), 'sec-fetch-site': 'same-origin' };
    const body = JSON.stringify({ action: 'hold', engine: 'sqlite', dataset: 'iris', reason: 'test', plan: true });
    expect(await ask(`${origin}/change`, right, body)).toBe(200);
    expect(await ask(`${origin}/change`, { ...right, origin: 'http://evil.example' }, body)).toBe(403);
    expect(await ask(`${origin}/change`, { ...right, 'sec-fetch-site': 'cross-site' }, body)).toBe(403);
    expect(await ask(`${origin}/change`, { ...right, 'x-changeover-token': 'x' }, body)).toBe(403);
    expect(await ask(`${origin}/change`, { ...right, 'content-type': 'text/plain' }, body)).toBe(415);
    expect(await ask(`${origin}/change`, right, JSON.stringify({ reason: 'x'.repeat(5_000) }))).toBe(400);
    expect(await ask(`${origin}/`, { host: 'evil.example' })).toBe(403);
    expect(await ask(`${origin}/events`, { 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(await ask(`${origin}/`, {})).toBe(200);
  } finally {
    await running.close();
  }
});

test('the command prints its address, and Ctrl-C ends it', async () => {
  const main = join(root, 'packages/changeover/src/command/main.ts');
  const child =
    spawn(process.execPath, [...nodeFlags, main, 'console', '--port', '0'], { env: env(), stdio: ['ignore', 'pipe', 'inherit'] });
  const url =
    await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => { resolve(String(data).split('\n')[0] ?? ''); }));
  const { origin } = new URL(url);
  expect(await ask(`${origin}/`, {})).toBe(200);
  const code = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  expect(await code).toBe(0);
});
