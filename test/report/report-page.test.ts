import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { renderReport } from '@changeover/operate/report';
import { sampleReport } from '../../packages/operate/src/report/test-kit/sample-report.ts';
import { openBrowser } from '../kit/browser.ts';

let browser: Browser;
const hostile =
  '</td></style><script>globalThis.injected=1</script><img src=x onerror="globalThis.injected=1">"\'&|`\u202e';
/** A name as long as names get, without a place to break it. */
const endless = 'x'.repeat(300);

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
});

/** What is asked of a page, in the browser. */
interface Look {
  readonly wide: number;
  readonly shown: number;
  readonly verdict: number;
  readonly text: string;
  readonly background: string;
  readonly injected: boolean;
  readonly images: number;
}

const lookScript = `({
  wide: document.documentElement.scrollWidth, shown: document.documentElement.clientWidth,
  verdict: document.querySelector('.verdict').getBoundingClientRect().top,
  text: document.querySelector('.verdict').textContent,
  background: getComputedStyle(document.body).backgroundColor,
  injected: 'injected' in globalThis, images: document.images.length,
})`;

/** Longer pages are cut there in pictures. */
const mostPixels = 12_000;

const pages = new Map(
  [0, 10, 10_000].map((mismatches) => [
    mismatches,
    renderReport(sampleReport({ mismatches, reasons: mismatches }), 'html'),
  ]),
);

/** A page without a network, with what it complained of. */
async function show(
  html: string,
  colorScheme: 'light' | 'dark',
  width: number,
): Promise<{ page: Page; problems: string[]; requests: string[] }> {
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
  const [problems, requests]: [string[], string[]] = [[], []];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => problems.push(message.text()));
  page.on('request', (one) => requests.push(one.url()));
  await page.setContent(html);
  return { page, problems, requests };
}

const looks = [0, 10, 10_000].flatMap((mismatches) =>
  (['light', 'dark'] as const).flatMap((scheme) =>
    [1280, 390].map((width) => [mismatches, scheme, width] as const),
  ),
);

describe.each(looks)('with %i mismatches, %s, %i px wide', (mismatches, scheme, width) => {
  test('the page fits, complains of nothing, fetches nothing and opens with what to do', async () => {
    const html = pages.get(mismatches) ?? '';
    const { page, problems, requests } = await show(html, scheme, width);
    try {
      // For whoever wants to look at them.
      const folder = process.env['CHANGEOVER_REPORT_PICTURES'];
      if (folder !== undefined) {
        const height = await page.evaluate<number>('document.documentElement.scrollHeight');
        await page.setViewportSize({ width, height: Math.min(mostPixels, height) });
        await page.screenshot({
          path: join(folder, `${String(mismatches)}-${scheme}-${String(width)}.png`),
        });
      }
      const found = await page.evaluate<Look>(lookScript);
      expect(found.wide).toBeLessThanOrEqual(found.shown);
      expect(found.verdict).toBeLessThan(400);
      expect(found.text).toContain(mismatches === 0 ? 'PROMOTE' : 'HOLD');
      const [red = 0, green = 0, blue = 0] = (found.background.match(/\d+/g) ?? []).map(Number);
      expect(red + green + blue > 384).toBe(scheme === 'light');
      expect(problems).toEqual([]);
      expect(requests).toEqual([]);
      expect(html.length).toBeLessThan(600_000);
    } finally {
      await page.close();
    }
  });
});

test.each([hostile, endless])('what data says is shown and does nothing: %s', async (text) => {
  const { page, problems } = await show(
    renderReport(sampleReport({ mismatches: 10, text }), 'html'),
    'light',
    390,
  );
  try {
    const found = await page.evaluate<Look>(lookScript);
    expect(found).toMatchObject({ injected: false, images: 0, wide: found.shown });
    expect(problems).toEqual([]);
  } finally {
    await page.close();
  }
});
