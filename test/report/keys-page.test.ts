import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { renderReport } from '@changeover/operate/report';
import { openMigration, placeOf } from '../../packages/operate/src/command/migration.ts';
import { openBrowser } from '../kit/browser.ts';
import { problemKeys, recordManyKeys } from '../kit/many-keys.ts';

let folder: string;
let address: string;
let html: string;
let browser: Browser;
const nowMs = Date.now();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-keys-'));
  const place = recordManyKeys(folder, 1_000, nowMs);
  const migration = await openMigration(placeOf(place, {}));
  html = renderReport(migration.report(), 'html');
  await migration.close();
  const file = join(folder, 'report.html');
  writeFileSync(file, html);
  address = pathToFileURL(file).href;
  browser = await openBrowser();
});

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

async function withPage(
  use: (page: Page) => Promise<void>,
  {
    width = 1280,
    hash = '',
    ...options
  }: { width?: number; hash?: string; javaScriptEnabled?: boolean } = {},
): Promise<void> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, ...options });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => problems.push(message.text()));
  try {
    await page.goto(address + hash);
    await use(page);
    expect(problems).toEqual([]);
  } finally {
    await page.close();
  }
}

const keysOf = (page: Page): Promise<string[]> =>
  page.locator('#keys-list tbody .subject bdi').allInnerTexts();
const text = async (page: Page, place: string): Promise<string> =>
  (await page.locator(place).innerText()).replace(/\s+/g, ' ');

test('of a thousand keys the page holds a few rows, those with problems first, and stays below a megabyte', async () => {
  expect(Buffer.byteLength(html)).toBeLessThan(1_000_000);
  await withPage(async (page) => {
    const shown = await keysOf(page);
    expect(shown).toHaveLength(25);
    const { mismatch, held, unkept, failing, slow } = problemKeys;
    expect(shown.slice(0, 11)).toEqual([...mismatch, ...held, ...slow, ...unkept, ...failing]);
    const states = await page.locator('#keys-list tbody .state').allInnerTexts();
    expect([...new Set(states.slice(0, 11))]).toEqual(['mismatch', 'held', 'gate fails', 'errors']);
    expect(states.slice(11)).not.toContain('mismatch');
    expect(await text(page, '#keys-count')).toBe('1 to 25 of 1,000 keys');
    expect(await page.locator('*').count()).toBeLessThan(8_000);
  });
});

test('pages, order and filter find any key, and keep to what was asked for', async () => {
  await withPage(async (page) => {
    const first = await keysOf(page);
    await page.getByRole('button', { name: 'Next' }).click();
    expect(await text(page, '#keys-count')).toBe('26 to 50 of 1,000 keys');
    expect((await keysOf(page)).some((key) => first.includes(key))).toBe(false);
    await page.getByLabel('Order', { exact: true }).selectOption('key');
    expect((await keysOf(page))[0]).toBe('tenant-0001');
    await page.getByLabel('Order', { exact: true }).selectOption('calls');
    const calls = await page.locator('#keys-list tbody td[data-title="calls"]').allInnerTexts();
    expect(calls.map(Number)).toEqual(calls.map(Number).sort((a, b) => b - a));
    await page.getByLabel('Show only').fill('SHADOW 0877');
    expect(await keysOf(page)).toEqual(['tenant-0877']);
    expect(await text(page, '#keys-count')).toBe('1 to 1 of 1 key found in 1,000');
    expect(await page.getByRole('button', { name: 'Next' }).isVisible()).toBe(false);
    await page.getByLabel('Show only').fill('nobody');
    expect(await text(page, '#keys-count')).toBe('No key is called that.');
    await page.getByLabel('Show only').fill('');
    await page.getByLabel('Order', { exact: true }).selectOption('problem');
    expect(await keysOf(page)).toEqual(first);
  });
});

test('a key opens all that is known of it, and its address can be handed on', async () => {
  await withPage(async (page) => {
    await page.getByRole('link', { name: 'tenant-0007' }).click();
    await page.locator('#keys-list').waitFor({ state: 'hidden' });
    const found = await text(page, '#key-view');
    for (const part of [
      /^‹ All keys tenant-0007 orders/,
      /since on shadow since \d{4}-.* UTC, moved from legacy by flag: no gate stands before shadow/,
      /flag changeover\.orders asks for reverse: the flag changeover\.orders assigns it the variant 2-reverse/,
      /next step HOLD 6 comparisons|next step HOLD On orders tenant-0007/,
      /✕ fails No confirmed mismatch/,
      /list shadow 132 132 126 6/,
      /not compared: a call that acts is not run twice/,
      /missing row .* row \d+ is missing on the pooled leg/,
      /6 hours with calls of 6 h/,
      /legacy → shadow flag/,
    ])
      expect(found).toMatch(part);
    await page.getByRole('link', { name: 'All keys' }).click();
    await page.locator('#keys-list').waitFor();
    expect(await page.locator('#key-view').isVisible()).toBe(false);
  });
  await withPage(
    async (page) => {
      const found = await text(page, '#key-view');
      expect(found).toMatch(
        /The pooled leg is slow since \d{4}-\d\d-\d\d \d\d:\d\d:00 UTC: its median is 12\d ms, and was 3\.\d\d ms before/,
      );
      expect(found).toMatch(/on reverse since/);
    },
    { hash: '#key/orders/tenant-0101' },
  );
  await withPage(
    async (page) => {
      expect(await text(page, '#key-view')).toMatch(
        /src\/orders\/add-order\.ts:41 \(list: SELECT last_insert_rowid/,
      );
    },
    { hash: '#key/orders/tenant-0300' },
  );
});

test('a key that the page has no room for says where its details are', async () => {
  await withPage(
    async (page) => {
      expect(await text(page, '#key-view')).toMatch(
        /On legacy: no step yet\..*changeover explain orders tenant-0990 and the console have them/,
      );
    },
    { hash: '#key/orders/tenant-0990' },
  );
});

test('where no script may run, those that need a look are there all the same', async () => {
  await withPage(
    async (page) => {
      expect((await keysOf(page)).slice(0, 3)).toEqual(problemKeys.mismatch);
      expect(await text(page, '#keys-count')).toMatch(/^The first 25 of 1,000 keys/);
      expect(await page.locator('#keys-tools').isVisible()).toBe(false);
    },
    { javaScriptEnabled: false },
  );
});

describe.each([390, 1280])('%i px wide', (width) => {
  test.each(['', '#key/orders/tenant-0007', '#key/orders/tenant-0300'])(
    'nothing is wider than the page: %s',
    async (hash) => {
      await withPage(
        async (page) => {
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
            width,
          );
        },
        { width, hash },
      );
    },
  );
});
