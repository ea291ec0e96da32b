import { setTimeout as wait } from 'node:timers/promises';
import { openRecorder, readSharedRecordings, silentLogger } from '@changeover/bridge';
import { openConsole } from '@changeover/operate/command';
import { expect, test } from '@jest/globals';
import { placeOf } from '../../packages/operate/src/command/migration.ts';
import { ownDatabase } from '../fleet/own-database.ts';

const url = ownDatabase('view');

/** What a page is told, one message after the other. */
async function* views(address: string): AsyncGenerator<string, void> {
  const { origin, hash } = new URL(address);
  const { body } = await fetch(`${origin}/events?token=${hash.slice(1)}`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const part of body ?? []) {
    text += decoder.decode(part as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield text.slice(0, end);
      text = text.slice(end + 2);
    }
  }
}

async function counted(): Promise<number> {
  return (await readSharedRecordings(url())).totals.calls;
}

test('of a shared store a page shows first what is wrong by the counts, and then all', async () => {
  const recorder = openRecorder({ path: url(), run: 'test', logger: silentLogger });
  for (const [key, wrong] of [
    ['calm', 0],
    ['differs', 3],
  ] as const) {
    const cell = recorder.cell('notes', key, 'list', 'shadow');
    cell.calls += 40;
    cell.compared += 40;
    cell.mismatch += wrong;
    cell.match += 40 - wrong;
    cell.pooledLatency.record(5);
  }
  recorder.close();
  while ((await counted()) < 80) await wait(50);
  const place = placeOf({}, { CHANGEOVER_STORE: url() });
  const console = await openConsole({ place, port: 0, readOnly: true });
  try {
    const told = views(console.url);
    const [first, second] = [await told.next(), await told.next()].map(({ value }) =>
      String(value),
    );
    for (const view of [first, second]) {
      const [wrong, right] = ['>differs<', '>calm<'].map((name) => view?.indexOf(name) ?? -1);
      expect(wrong).toBeGreaterThan(0);
      expect(right).toBeGreaterThan(wrong ?? Infinity);
    }
    expect([first, second].map((view) => view?.includes('are being read'))).toEqual([true, false]);
    expect([first, second].map((view) => view?.includes('By backend and stage'))).toEqual([
      false,
      true,
    ]);
  } finally {
    await console.close();
  }
});
