import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readLedgerFile } from '@changeover/bridge';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { placeOf } from '../../packages/operate/src/command/migration.ts';
import { openConsole } from '@changeover/operate/command';
import { root } from '../architecture/source-files.ts';
import { nodeFlags, typeChangeover } from '../command/run-changeover.ts';
import { openBrowser } from '../kit/browser.ts';
import { programEnvironment } from '../kit/program-environment.ts';
import { endless, hostile, type RecordedMigration, recordMigration } from './record-migration.ts';

let folder: string;
let migration: RecordedMigration;
let browser: Browser;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-console-'));
  migration = await recordMigration(folder);
  browser = await openBrowser();
});

afterAll(async () => {
  await browser.close();
  await migration.close();
  rmSync(folder, { recursive: true, force: true });
});

const env = (): Record<string, string> => ({
  CHANGEOVER_BASE_PATH: folder,
  CHANGEOVER_FLAGS: migration.flags,
});
const open = (readOnly = false): ReturnType<typeof openConsole> =>
  openConsole({ place: placeOf({}, env()), port: 0, readOnly });
const ledger = (): ReturnType<typeof readLedgerFile> => readLedgerFile(migration.store);

interface Visit {
  readonly page: Page;
  readonly requests: string[];
  readonly problems: string[];
}

/** A page that shows the migration, and what it asked for and complained of. */
async function visit(url: string): Promise<Visit> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const [requests, problems]: [string[], string[]] = [[], []];
  page.on('request', (one) => requests.push(`${one.method()} ${one.url()}`));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(url);
  await page.getByText('titanic').first().waitFor();
  return { page, requests, problems };
}

async function withPage(use: (visit: Visit, url: string) => Promise<void>): Promise<void> {
  const running = await open();
  try {
    const visited = await visit(running.url);
    await use(visited, running.url);
    await visited.page.close();
  } finally {
    await running.close();
  }
}

const row = (page: Page, dataset: string): Locator =>
  page.locator(`#keys tr[data-key$="/${dataset}"]`);
const stage = (page: Page, dataset: string): Promise<string> =>
  row(page, dataset).locator('.stage').innerText();
/** For people who look at it: only where a folder for pictures is named. */
async function shot(page: Page, name: string, of?: Locator): Promise<void> {
  const pictures = process.env['CHANGEOVER_TEST_PICTURES'];
  if (pictures === undefined) return;
  await of?.scrollIntoViewIfNeeded();
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}
const changes = (requests: readonly string[]): number =>
  requests.filter((one) => one.startsWith('POST')).length;

test('shows all that a night needs: flags, verdicts, latency, pools, mismatches with redacted values, the ledger', async () => {
  await withPage(async ({ page }) => {
    const text = async (place: string): Promise<string> =>
      (await page.locator(place).innerText()).replace(/\s+/g, ' ');
    expect(await text('#flags')).toMatch(
      /Flags from file revision \w+ confirmed just now .*flags\.json/,
    );
    expect(await text('.backends')).toMatch(/sqlite HOLD .* on shadow/);
    expect(await row(page, 'wrong').innerText()).toMatch(
      /mismatch\s+\d+ comparisons of \d+ are confirmed mismatches/,
    );
    expect(await text('#overview')).toMatch(/Compared [1-9]\d* .*Mismatches [1-9]/);
    expect(await text('#stages')).toMatch(/sqlite shadow [1-9]/);
    expect(await text('#latency')).toMatch(
      /sqlite shadow legacy .* ms .*sqlite shadow pooled .* ms/,
    );
    // The running program tells of them every two seconds.
    await page.locator('#pools td').first().waitFor();
    expect(await text('#pools')).toMatch(new RegExp(`sqlite callers .* ${String(process.pid)}`));
    expect(await text('#mismatches')).toMatch(
      /value in readTable on sqlite, key wrong .*wrong at shadow.* age /,
    );
    expect(await text('#mismatches')).not.toMatch(/\b41\b.*\b42\b/);
    expect(await text('#gates')).toMatch(/fail/);
    expect(await text('.timeline')).toMatch(/by /);
  });
});

test('a mismatch is run again by the program that has its call, at each width and in each light', async () => {
  await withPage(async ({ page, problems }) => {
    const article = page
      .locator('#mismatches article', { hasText: 'on sqlite, key wrong' })
      .first();
    const dialog = page.locator('#again');
    for (const [width, colorScheme] of [
      [1280, 'light'],
      [390, 'dark'],
      [390, 'light'],
      [1280, 'dark'],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await article.getByRole('button', { name: 'Run again' }).click();
      await dialog.locator('#again-text', { hasText: 'MISMATCH' }).waitFor();
      const text = await dialog.innerText();
      expect(text).toMatch(/row +column +legacy +pooled/);
      expect(text).toMatch(/Values stay in the program/);
      expect(text).not.toMatch(/\b42\b/);
      expect(text).toMatch(/changeover reproduce [a-z0-9]{8}/);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
        width,
      );
      await shot(page, `again-${String(width)}-${colorScheme}`);
      await page.keyboard.press('Escape');
      await shot(page, `mismatches-${String(width)}-${colorScheme}`, article);
    }
    expect(problems).toEqual([]);
  });
});

test('a mismatch that no program can run again says so, and has the line to copy', async () => {
  await withPage(async ({ page }) => {
    const article = page.locator('#mismatches article', { hasText: '<img src=x' }).first();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await article.getByRole('button', { name: 'Run again' }).click();
    await page.locator('#again-text.bad', { hasText: 'has no operation' }).waitFor();
    await page.locator('#again-copy').click();
    await page.locator('#again-copy', { hasText: 'Copied' }).waitFor();
    const copied = await page.evaluate('navigator.clipboard.readText()');
    expect(copied).toMatch(/^changeover reproduce [a-z0-9]{8}$/);
    await page.locator('#again-close').click();
  });
});

interface Press {
  readonly button: string;
  readonly dataset: string;
  /** What the plan says before anything changes. */
  readonly plan: RegExp;
  readonly line: Readonly<Record<string, unknown>>;
  /** The stage that the page shows afterwards. */
  readonly stage: string;
}

// In this order: each begins where the one before it ended.
const presses: readonly Press[] = [
  {
    button: 'Promote duckdb seeds',
    dataset: 'seeds',
    plan: /duckdb seeds: legacy → shadow[^]*write a strategy for seeds into/,
    line: { backend: 'duckdb', dataset: 'seeds', from: 'legacy', to: 'shadow', held: false },
    stage: 'shadow',
  },
  {
    button: 'Hold sqlite iris',
    dataset: 'iris',
    plan: /Would hold sqlite iris at shadow/,
    line: { backend: 'sqlite', dataset: 'iris', from: 'shadow', to: 'shadow', held: true },
    stage: 'shadow',
  },
  {
    button: 'Roll back sqlite penguins',
    dataset: 'penguins',
    plan: /sqlite penguins: shadow → legacy/,
    line: { backend: 'sqlite', dataset: 'penguins', from: 'shadow', to: 'legacy', held: true },
    stage: 'legacy',
  },
  {
    button: 'Resume sqlite penguins',
    dataset: 'penguins',
    plan: /sqlite penguins: legacy → shadow/,
    line: { backend: 'sqlite', dataset: 'penguins', held: false },
    stage: 'shadow',
  },
  {
    button: 'Kill: all of sqlite to legacy',
    dataset: 'titanic',
    plan: /6 keys change stage:[^]*sqlite titanic: shadow → legacy/,
    line: { backend: 'sqlite', dataset: '', to: 'legacy', held: true },
    stage: 'legacy',
  },
  {
    button: 'Resume: all of sqlite',
    dataset: 'titanic',
    plan: /sqlite titanic: legacy → shadow/,
    line: { backend: 'sqlite', dataset: '', held: false },
    stage: 'shadow',
  },
];

test('each button asks for a reason, shows its plan, and then the ledger and the page have the change', async () => {
  await withPage(async ({ page, requests, problems }) => {
    for (const [at, { button, dataset, plan, line, stage: after }] of presses.entries()) {
      const before = ledger().length;
      await page.getByRole('button', { name: button, exact: true }).click();
      const dialog = page.getByRole('dialog', { name: button });
      // Without a reason nothing is even asked.
      await dialog.getByRole('button', { name: 'Show the plan' }).click();
      expect(changes(requests)).toBe(2 * at);
      const reason = `drill ${String(at)}`;
      await dialog.getByLabel('Reason').fill(reason);
      await dialog.getByRole('button', { name: 'Show the plan' }).click();
      await dialog.getByText('Nothing was changed.').waitFor();
      expect(await page.locator('#plan').innerText()).toMatch(plan);
      expect(ledger()).toHaveLength(before);
      await dialog.getByRole('button', { name: 'Do it' }).click();
      await dialog.waitFor({ state: 'hidden' });
      expect(ledger().slice(before)).toMatchObject([{ ...line, reason }]);
      await page.locator('.timeline li', { hasText: reason }).waitFor();
      await row(page, dataset).locator(`.stage.${after}`).waitFor();
      expect(await page.locator('#outcome').innerText()).not.toBe('');
    }
    expect(problems).toEqual([]);
  });
});

test('a reason that is changed after the plan was shown needs the plan again', async () => {
  await withPage(async ({ page }) => {
    const before = ledger().length;
    await page.getByRole('button', { name: 'Hold sqlite titanic' }).click();
    await page.getByLabel('Reason').fill('first');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Do it' }).waitFor();
    await page.getByLabel('Reason').fill('second');
    expect(await page.locator('#next').innerText()).toBe('Show the plan');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Do it' }).waitFor();
    expect(ledger()).toHaveLength(before);
  });
});

test.each([
  ['a wrong token', `#${'x'.repeat(43)}`],
  ['no token', ''],
])('with %s the page shows nothing, and says where the token is', async (_name, token) => {
  const running = await open();
  const page = await browser.newPage();
  try {
    await page.goto(running.url.replace(/#.*/, token));
    await page.locator('#locked', { hasText: 'that changeover console printed' }).waitFor();
    expect(await page.locator('#view').innerText()).toBe('Reading the migration…');
    await page.close();
  } finally {
    await running.close();
  }
});

describe('by keyboard alone', () => {
  /** The name of what has the focus, and whether a ring shows it. */
  const focus = (page: Page): Promise<{ name: string; ring: boolean }> =>
    page.evaluate(`(() => {
    const { activeElement } = document;
    const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
    const ring = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
    return { name: activeElement.getAttribute('aria-label') ?? activeElement.id, ring };
  })()`);

  async function tabTo(page: Page, name: string): Promise<void> {
    for (let presses = 0; presses < 150; presses += 1) {
      await page.keyboard.press('Tab');
      if ((await focus(page)).name === name) return;
    }
    throw new Error(`Tab never came to ${name}.`);
  }

  test('Tab, Enter and Escape do all, the focus can be seen and comes back', async () => {
    await withPage(async ({ page }) => {
      const button = 'Roll back sqlite titanic';
      await tabTo(page, button);
      expect(await focus(page)).toEqual({ name: button, ring: true });
      await page.keyboard.press('Enter');
      expect(await focus(page)).toEqual({ name: 'reason', ring: true });
      await page.keyboard.press('Escape');
      expect(await focus(page)).toEqual({ name: button, ring: true });
      await page.keyboard.press('Enter');
      await page.keyboard.type('by keyboard');
      await page.keyboard.press('Enter');
      await page.getByText('Nothing was changed.').waitFor();
      expect(await stage(page, 'titanic')).toBe('shadow');
      await page.waitForFunction("document.activeElement.id === 'next'");
      await page.keyboard.press('Enter');
      await row(page, 'titanic').locator('.stage.legacy').waitFor();
      // The button is gone with its stage: the row keeps the focus.
      await page.waitForFunction("document.activeElement.dataset.name === 'titanic'");
      expect(await focus(page)).toEqual({ name: 'Resume sqlite titanic', ring: true });
      expect(ledger().at(-1)).toMatchObject({
        dataset: 'titanic',
        held: true,
        reason: 'by keyboard',
      });
    });
  });

  test('news from elsewhere leaves the focus, what is scrolled and what is open as they were', async () => {
    await withPage(async ({ page }) => {
      await page.setViewportSize({ width: 390, height: 800 });
      await page.evaluate("document.querySelector('#latency .scroll').scrollLeft = 40");
      await page.getByRole('button', { name: 'Hold sqlite wrong' }).focus();
      // A dataset that was never seen comes before the focused one.
      await typeChangeover(
        ['hold', 'sqlite', 'apricots', '--unseen', '--reason', 'elsewhere'],
        env(),
      );
      await row(page, 'apricots').waitFor();
      expect((await focus(page)).name).toBe('Hold sqlite wrong');
      expect(await page.evaluate("document.querySelector('#latency .scroll').scrollLeft")).toBe(40);
    });
  });
});

test('many keys are found by a part of their name, backend or stage, and stay found when news come', async () => {
  for (const name of ['basil', 'clover', 'dill', 'fennel']) {
    await typeChangeover(['rollback', 'duckdb', name, '--unseen', '--reason', 'not yet'], env());
  }
  await withPage(async ({ page }) => {
    const shown = async (): Promise<string[]> =>
      await page.locator('#keys tbody tr .subject bdi').allInnerTexts();
    const all = (await shown()).length;
    await page.getByLabel('Show only').fill('DUCKDB LEGA');
    await page.locator('#filtered', { hasText: ' 4 keys found' }).waitFor();
    expect(await shown()).toEqual(['basil', 'clover', 'dill', 'fennel']);
    await page.getByLabel('Show only').press('End');
    await page.keyboard.type('cy dill');
    await page.locator('#filtered', { hasText: ' 1 key found' }).waitFor();
    expect(await shown()).toEqual(['dill']);
    expect(await page.locator('#filtered').innerText()).toBe(
      `1 to 1 of 1 key found in ${String(all)}`,
    );
    await typeChangeover(['resume', 'duckdb', 'fennel', '--reason', 'elsewhere'], env());
    await page.locator('.timeline li').first().getByText('elsewhere').waitFor();
    expect(await shown()).toEqual(['dill']);
    expect(await page.evaluate('document.activeElement.id')).toBe('filter');
  });
});

test('names and values of the worst kind are shown as text, and nothing of them runs or is fetched', async () => {
  await withPage(async ({ page, requests, problems }, url) => {
    const { reason } = ledger().find(({ dataset }) => dataset === 'penguins') ?? { reason: '' };
    expect(reason.length).toBeGreaterThan(1_000);
    for (const place of ['.timeline', '#mismatches']) {
      expect(await page.locator(place).innerText()).toContain(
        '<img src=x onerror="globalThis.injected=1">',
      );
    }
    // What would turn the text around is made visible.
    expect(await page.locator('.timeline').innerText()).toContain('⟨U+202E⟩evil 🚢');
    expect(await row(page, endless).count()).toBe(1);
    await page
      .getByRole('button', { name: 'Hold sqlite titanic' })
      .or(page.getByRole('button', { name: 'Resume sqlite titanic' }))
      .click();
    await page.getByLabel('Reason').fill(hostile);
    await page.keyboard.press('Enter');
    await page.getByText('Nothing was changed.').waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.timeline li').first().getByText(hostile.slice(0, 40)).waitFor();
    expect(await page.evaluate('globalThis.injected')).toBeUndefined();
    expect(
      await page
        .locator('#view img, #view script, #view [onfocus], #view [onerror], dialog img')
        .count(),
    ).toBe(0);
    const { origin } = new URL(url);
    expect(
      requests.filter((one) => !one.includes(` ${origin}/`) && !one.includes(' data:')),
    ).toEqual([]);
    expect(page.url()).not.toContain('#');
    expect(problems).toEqual([]);
  });
});

test('a store that can not be read, and a console that has ended, are told of', async () => {
  const place = join(folder, 'spoiled.sqlite');
  writeFileSync(place, 'no store at all');
  const running = await openConsole({
    place: placeOf({ store: place }, env()),
    port: 0,
    readOnly: false,
  });
  const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
  try {
    await page.goto(running.url);
    await page.locator('#state', { hasText: "It can't be read: file is not a database" }).waitFor();
    expect(await page.locator('#view').innerText()).toMatch(
      new RegExp(`comparison store ${place} can't be read .*with --store PLACE`),
    );
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    rmSync(place);
    await page.locator('#view h2', { hasText: 'Keys' }).waitFor();
    expect(await page.locator('#view').innerText()).not.toContain("can't be read");
  } finally {
    await running.close();
  }
  await page
    .locator('#state.bad', { hasText: 'Not connected: what is shown may be old' })
    .waitFor();
  await page.close();
});

describe('in both colour schemes, wide and on a phone', () => {
  test.each(['light', 'dark'] as const)(
    '%s: nothing is wider than the page, and all can be read',
    async (colorScheme) => {
      await withPage(async ({ page }) => {
        const shots = process.env['CHANGEOVER_SCREENSHOTS'];
        await page.emulateMedia({ colorScheme });
        const background = await page.evaluate<string>(
          'getComputedStyle(document.body).backgroundColor',
        );
        const [red = 0, green = 0, blue = 0] = (background.match(/\d+/g) ?? []).map(Number);
        expect(red + green + blue > 384).toBe(colorScheme === 'light');
        for (const width of [390, 1220, 1221, 1280]) {
          await page.setViewportSize({ width, height: 844 });
          for (const dialog of width === 390 || width === 1280 ? [false, true] : [false]) {
            if (dialog) {
              await page.getByRole('button', { name: 'Hold sqlite wrong' }).click();
              await page.getByLabel('Reason').fill('look at the mismatches first');
              await page.keyboard.press('Enter');
              await page.getByText('Nothing was changed.').waitFor();
            }
            expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
              width,
            );
            expect(
              await page.evaluate<string[]>(
                `(${tooPale})(document.querySelector(${dialog ? "'dialog'" : "'body'"}))`,
              ),
            ).toEqual([]);
            const path =
              shots === undefined
                ? undefined
                : join(shots, `${colorScheme}-${String(width)}${dialog ? '-dialog' : ''}.png`);
            if (path !== undefined) await page.screenshot({ path, fullPage: !dialog });
            if (dialog) await page.keyboard.press('Escape');
          }
        }
      });
    },
  );

  test('a page that may change nothing has no buttons but those that copy a command', async () => {
    const running = await open(true);
    try {
      const { page } = await visit(running.url);
      expect(await page.locator('#view button:not([data-copy])').count()).toBe(0);
      expect(await page.locator('#locked').isVisible()).toBe(false);
      await page.close();
    } finally {
      await running.close();
    }
  });
});

/** Names each text whose contrast with what is behind it is below 4.5 to 1 (WCAG 2.2, 1.4.3), as a function in the page. */
const tooPale = `(root) => {
  const parse = (text) => { const [r, g, b, a = 1] = (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number); return { r, g, b, a }; };
  const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = ({ r, g, b }) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let one = element; one !== null; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const found = new Set();
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === '' || !element.checkVisibility() || element.closest('svg') !== null) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.add(walker.currentNode.data.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return [...found];
}`;

/** Node's own `fetch` sets Host by itself. */
function ask(
  url: string,
  headers: Record<string, string>,
  body?: string,
  more: object = {},
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  request(url, { method: body === undefined ? 'GET' : 'POST', headers, ...more }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  })
    .on('error', reject)
    .end(body);
  return promise;
}

test('another site, another host, no token, another method or a long body change nothing', async () => {
  const running = await open();
  try {
    const { origin, hash, port } = new URL(running.url);
    const withoutToken = {
      origin,
      'content-type': 'application/json',
      'sec-fetch-site': 'same-origin',
    };
    const right = { ...withoutToken, 'x-changeover-token': hash.slice(1) };
    const body = JSON.stringify({
      action: 'hold',
      backend: 'sqlite',
      key: 'wrong',
      reason: 'test',
      plan: false,
    });
    const before = ledger().length;
    const refused: [number, Record<string, string>, string?, object?][] = [
      [403, { ...right, origin: 'http://evil.example' }],
      [403, { ...right, origin: 'null' }],
      [403, { ...right, origin: `http://localhost:${port}` }],
      [403, { ...right, 'sec-fetch-site': 'cross-site' }],
      [403, { ...right, 'sec-fetch-site': 'same-site' }],
      [403, { ...right, 'sec-fetch-site': 'none' }],
      // A name of somebody else's that was made to lead here.
      [403, { ...right, host: 'evil.example', origin: 'http://evil.example' }],
      [403, { ...right, host: `evil.example:${port}`, origin: `http://evil.example:${port}` }],
      [403, { ...right, host: '127.0.0.1' }],
      [400, right, body, { setHost: false }],
      [403, withoutToken],
      [403, { ...right, 'x-changeover-token': '' }],
      [403, { ...right, 'x-changeover-token': 'x' }],
      [403, { ...right, 'x-changeover-token': hash }],
      [415, { ...right, 'content-type': 'text/plain' }],
      [400, right, JSON.stringify({ reason: 'x'.repeat(5_000) })],
      [400, right, '{'],
      [404, right, body, { method: 'PUT' }],
    ];
    for (const [status, headers, given = body, more = {}] of refused) {
      expect([headers, await ask(`${origin}/change`, headers, given, more)]).toEqual([
        headers,
        status,
      ]);
    }
    const query = new URLSearchParams(JSON.parse(body) as Record<string, string>);
    expect(await ask(`${origin}/change?${query.toString()}`, right)).toBe(404);
    expect(await ask(`${origin}/`, { host: 'evil.example' })).toBe(403);
    expect(await ask(`${origin}/events`, { 'sec-fetch-site': 'same-site' })).toBe(403);
    for (const token of ['', '?token=', '?token=x', `?token=${hash}`])
      expect([token, await ask(`${origin}/events${token}`, {})]).toEqual([token, 403]);
    expect(ledger()).toHaveLength(before);
    expect(await ask(`${origin}/`, {})).toBe(200);
    expect(await ask(`${origin}/change`, right, body)).toBe(200);
    expect(ledger()).toHaveLength(before + 1);
  } finally {
    await running.close();
  }
});

test('many half-open connections and open pages do not shut its owner out', async () => {
  const running = await open(true);
  const { origin, port, hash } = new URL(running.url);
  const events = `${origin}/events?token=${hash.slice(1)}`;
  const sockets = Array.from({ length: 70 }, () =>
    connect(Number(port), '127.0.0.1').on('error', () => undefined),
  );
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    expect(await ask(`${origin}/`, {})).toBe(200);
    for (let page = 0; page < 12; page += 1) expect(await ask(events, {})).toBe(200);
    expect(await ask(`${origin}/`, {})).toBe(200);
  } finally {
    for (const socket of sockets) socket.destroy();
    await running.close();
  }
});

test('each example of its help prints an address, and Ctrl-C ends it', async () => {
  const main = join(root, 'packages/changeover/src/command/main.ts');
  const { out } = await typeChangeover(['console', '--help']);
  const examples = [...out.matchAll(/^ {2}\$ changeover (.*?)(?: {3,}.*)?$/gm)].map(
    ([, line = '']) => line.split(' '),
  );
  expect(examples).toEqual([['console'], ['console', '--port', '0', '--read-only']]);
  await Promise.all(
    examples.map(async (words) => {
      // Its usual port may be taken by a console of the person who runs the tests.
      const args = [
        ...nodeFlags,
        main,
        ...words,
        ...(words.includes('--port') ? [] : ['--port', '0']),
      ];
      const child = spawn(process.execPath, args, {
        env: { ...programEnvironment(), ...env() },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const url = await new Promise<string>((resolve) =>
        child.stdout.once('data', (data: Buffer) => {
          resolve(String(data).split('\n')[0] ?? '');
        }),
      );
      const { origin } = new URL(url);
      expect(await ask(`${origin}/`, {})).toBe(200);
      const code = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      expect(await code).toBe(0);
    }),
  );
});
