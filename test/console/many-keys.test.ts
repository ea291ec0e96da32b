import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openConsole } from '@changeover/operate/command';
import { placeOf } from '../../packages/operate/src/command/migration.ts';
import { openBrowser } from '../kit/browser.ts';
import { problemKeys, recordManyKeys } from '../kit/many-keys.ts';
import { typeChangeover } from '../command/run-changeover.ts';

let folder: string;
let place: ReturnType<typeof recordManyKeys>;
let browser: Browser;
let running: Awaited<ReturnType<typeof openConsole>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-console-keys-'));
  place = recordManyKeys(folder, 1_000, Date.now());
  running = await openConsole({ place: placeOf(place, {}), port: 0, readOnly: false });
  browser = await openBrowser();
});

afterAll(async () => {
  await browser.close();
  await running.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A page of the console at a path, with its token as a person has it. */
async function withPage(
  path: string,
  use: (page: Page) => Promise<void>,
  width = 1280,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  try {
    await page.goto(running.url.replace('/#', `${path}#`));
    await page.locator('#view h2').first().waitFor();
    await use(page);
    expect(problems).toEqual([]);
  } finally {
    await page.close();
  }
}

const keysOf = (page: Page): Promise<string[]> =>
  page.locator('#keys tbody .subject bdi').allInnerTexts();
const shows = (page: Page, text: string): Promise<void> =>
  page.locator('#filtered', { hasText: text }).waitFor();
const text = async (page: Page, place: string): Promise<string> =>
  (await page.locator(place).innerText()).replace(/\s+/g, ' ');

test('of a thousand keys a page has fifty, problems first; order, filter and page are in its address', async () => {
  await withPage('/', async (page) => {
    await shows(page, '1 to 50 of 1,000 keys');
    const { mismatch, held, unkept, failing, slow } = problemKeys;
    const first = await keysOf(page);
    expect(first).toHaveLength(50);
    expect(first.slice(0, 11)).toEqual([...mismatch, ...held, ...slow, ...unkept, ...failing]);
    await page.getByRole('link', { name: 'Next' }).click();
    await shows(page, '51 to 100 of 1,000 keys');
    expect(new URL(page.url()).search).toBe('?page=1');
    await page.getByLabel('Order', { exact: true }).selectOption('key');
    await shows(page, '1 to 50 of 1,000 keys');
    await page.locator('#keys tbody tr').first().getByText('tenant-0001').waitFor();
    await page.getByLabel('Show only').fill('reverse 01');
    await shows(page, '1 to 2 of 2 keys found in 1,000');
    expect(await keysOf(page)).toEqual(problemKeys.slow);
    await page.getByRole('link', { name: 'tenant-0101' }).click();
    await page.locator('#key').waitFor();
    await page.goBack();
    await shows(page, '1 to 2 of 2 keys found in 1,000');
    expect(await page.getByLabel('Show only').inputValue()).toBe('reverse 01');
  });
});

test('the command says of a slow key what its page says, by its words and by its exit code', async () => {
  const options = ['--flags', place.flags, '--store', place.store];
  const status = await typeChangeover(['status', 'orders', 'tenant-0101', ...options]);
  expect(status.out).toMatch(/tenant-0101 +reverse .* HOLD/);
  expect(status.out).toMatch(/^orders tenant-0101: The pooled leg is slow since .*ms before\.$/m);
  const gate = await typeChangeover(['gate', 'orders', 'tenant-0101', ...options]);
  expect(gate).toMatchObject({ code: 99 });
  expect(gate.out).toMatch(/^HOLD {2}On orders tenant-0101 at reverse, the pooled median of /);
});

test("a key's page tells where it stands, what its gates miss, what was seen and since when, and changes it", async () => {
  await withPage('/keys/orders/tenant-0101', async (page) => {
    const found = await text(page, '#key');
    for (const part of [
      /since on reverse since .* UTC, moved from shadow by flag: All 14 gates hold/,
      /flag changeover\.orders asks for reverse: the flag changeover\.orders assigns it the variant 2-reverse \(its default strategy\)/,
      /next step HOLD On orders tenant-0101 at reverse, the pooled median of `\w+` was \d+\.\d\d times the legacy one in the last [12] h/,
      /list reverse 156 156 156 0/,
      /The pooled leg is slow since .* its median is 12\d ms, and was 3\.48 ms before/,
      /6 hours with calls of 6 h/,
    ])
      expect(found).toMatch(part);
    await page.getByRole('button', { name: 'Hold orders tenant-0101' }).click();
    await page.getByLabel('Reason').fill('slow since this morning');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Do it' }).click();
    await page.locator('#key', { hasText: 'held at reverse since' }).waitFor();
    expect(await text(page, '#key')).toMatch(
      /Ledger .* reverse → reverse, held .* slow since this morning/,
    );
  });
  await withPage('/keys/orders/tenant-0001', async (page) => {
    expect(await text(page, '#key')).toMatch(/it needs 38 more comparisons of `list`/);
  });
  await withPage('/keys/orders/tenant-0640', async (page) => {
    expect(await text(page, '#key')).toMatch(/Errors .* total shadow 132 6 4\.55 %/);
  });
});

test('a step that would be refused says why in place of its dialog, and what helps can be copied', async () => {
  await withPage('/keys/orders/tenant-0300', async (page) => {
    const promote = page.getByRole('button', {
      name: 'Promote orders tenant-0300',
      exact: true,
    });
    expect(await promote.getAttribute('aria-disabled')).toBe('true');
    await promote.focus();
    await page.keyboard.press('Enter');
    expect(await text(page, '#outcome')).toMatch(
      /^Promote orders tenant-0300 would be refused\. Its gates say HOLD: .*does not keep that/,
    );
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page
      .getByRole('button', {
        name: /^Copy: changeover promote orders tenant-0300 --accept guarantee:/,
      })
      .waitFor();
  });
});

test('without its token a key shows nothing, and one that nobody knows is told to be none', async () => {
  const page = await browser.newPage();
  await page.goto(`${new URL(running.url).origin}/keys/orders/tenant-0007`);
  await page.locator('#locked').waitFor();
  expect(await page.locator('#view').innerText()).toBe('Reading the migration…');
  await page.close();
  const other = await browser.newPage();
  await other.goto(running.url.replace('/#', '/keys/orders/%3Cimg%20src%3Dx%3E#'));
  await other.getByText('No key <img src=x> of orders has been seen.').waitFor();
  expect(await other.locator('#view img').count()).toBe(0);
  await other.close();
});

describe.each([390, 1280])('%i px wide', (width) => {
  test.each(['/', '/keys/orders/tenant-0007', '/keys/orders/tenant-0300'])(
    'nothing is wider than the page: %s',
    async (path) => {
      await withPage(
        path,
        async (page) => {
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
            width,
          );
        },
        width,
      );
    },
  );
});
