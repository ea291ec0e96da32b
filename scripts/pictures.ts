import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bridgeOf, createBridge, createLogger, read, readRecordings, write } from 'changeover';
import { renderReport } from '@changeover/operate/report';
import { parseSettings } from '@changeover/bridge';
import { openConsole } from '@changeover/operate/command';
import { root } from '../test/architecture/source-files.ts';
import { testFlags } from '../test/command/write-test-flags.ts';
import { openBrowser } from '../test/kit/browser.ts';

// The README's pictures: a migration that is really made, with a defect in the pooled leg for one customer, and looked at in Chromium.
const folder = mkdtempSync(join(tmpdir(), 'changeover-pictures-'));
const images = join(root, 'docs/images');
const flagsFile = join(folder, 'flags.json');
const storePath = join(folder, 'comparisons.sqlite');

class Orders {
  readonly #orders = new Map<string, number[]>();
  async list(customer: string): Promise<{ id: number; cents: number }[]> {
    return (this.#orders.get(customer) ?? []).map((cents, id) => ({ id, cents }));
  }
  async total(customer: string): Promise<number> {
    return (this.#orders.get(customer) ?? []).reduce((sum, cents) => sum + cents, 0);
  }
  async add(customer: string, cents: number): Promise<void> {
    this.#orders.set(customer, [...(this.#orders.get(customer) ?? []).slice(-20), cents]);
  }
}

/** Orders of one price are counted once: found where two have the same. */
function withDefect(orders: Orders): Orders {
  return Object.assign(Object.create(orders) as Orders, {
    list: (customer: string) => orders.list(customer),
    add: (customer: string, cents: number) => orders.add(customer, cents),
    total: async (customer: string) =>
      [...new Set((await orders.list(customer)).map(({ cents }) => cents))].reduce(
        (sum, cents) => sum + cents,
        0,
      ),
  });
}

async function record(): Promise<void> {
  const { features, ...rest } = testFlags({ orders: 'shadow' }, { accept: ['add'] });
  const own = features.filter(({ name }) => !/sqlite|duckdb|postgresql/.test(name));
  writeFileSync(flagsFile, JSON.stringify({ ...rest, features: own }));
  const legacy = new Orders();
  const orders = createBridge({
    name: 'orders',
    legacy: () => legacy,
    pooled: () => withDefect(legacy),
    operations: { list: read.rows({ ordered: true }), total: read(), add: write() },
    key: { list: (who) => who, total: (who) => who, add: (who) => who },
    flagsFile,
    storePath,
    ledger: false, // the flag moves the keys, so that the pictures need no evidence of weeks
    logger: createLogger({ level: 'silent' }),
  });
  const bridge = bridgeOf(orders);
  try {
    for (let call = 0; call < 240; call += 1) {
      for (const customer of ['ada', 'grace', 'edith']) {
        // Only Edith buys the same twice.
        if (call < 12) await orders.add(customer, customer === 'edith' ? 250 : 100 + call * 50);
        await orders.list(customer);
        await orders.total(customer);
      }
      await bridge.idle();
      await pause(10);
    }
    bridge.recorder.flush();
  } finally {
    await bridge.close();
  }
}

try {
  await record();
  const report = join(folder, 'report.html');
  const data = readRecordings(storePath);
  // As the flag's payload says, which the console reads.
  const position = () => ({ accepted: ['add'] });
  writeFileSync(report, renderReport({ data, title: 'Orders', position }, 'html'));
  mkdirSync(images, { recursive: true });
  const running = await openConsole({
    place: parseSettings({ flagsFile, storePath }, {}),
    port: 0,
    readOnly: false,
  });
  const browser = await openBrowser();
  try {
    for (const [name, url] of [
      ['console', running.url],
      ['report', `file://${report}`],
    ] as const) {
      const page = await browser.newPage({ viewport: { width: 1100, height: 760 } });
      await page.goto(url);
      await page.waitForTimeout(1_500);
      await page.screenshot({ path: join(images, `${name}.png`) });
    }
  } finally {
    await browser.close();
    await running.close();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
