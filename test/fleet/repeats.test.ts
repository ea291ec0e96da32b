import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import {
  askFleet,
  Fleet,
  openRecorder,
  type RepeatableCall,
  silentLogger,
} from '@changeover/bridge';
import {
  bridgeOf,
  createBridge,
  createStaticStageSource,
  read,
  readSharedRecordings,
} from 'changeover';
import pg from 'pg';
import { typeChangeover } from '../command/run-changeover.ts';
import { ownDatabase } from './own-database.ts';

const url = ownDatabase('repeats');
const call = { operation: 'list', key: 'inbox', args: ['inbox'] } as unknown as RepeatableCall;

/** A process that makes calls of `notes` again where it has them. */
function open(has: boolean, made: number[], text = 'none'): { close(): Promise<void> } {
  const fleet = new Fleet({ url: url(), logger: silentLogger, intervalMs: 20 });
  const recorder = openRecorder({ path: url(), fleet, run: 'test', logger: silentLogger });
  recorder.answerRepeats('notes', {
    has: () => has,
    make: ({ sequence }) => {
      made.push(sequence);
      return Promise.resolve({ verdict: 'match', reason: text } as never);
    },
  });
  return {
    async close() {
      recorder.close();
      await fleet.close();
    },
  };
}

async function rows(): Promise<number> {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    const found = await client.query<object>('select * from changeover.repeat');
    return found.rows.length;
  } finally {
    await client.end();
  }
}

test('a call that is wanted again is made by one of the processes that have it, and nothing of it stays', async () => {
  const made: number[] = [];
  const processes = [open(false, made), open(true, made), open(true, made)];
  try {
    const request = { backend: 'notes', id: 'k3f9a2xz', call, timeoutMs: 60_000 };
    const answers = [await askFleet(url(), request), await askFleet(url(), request)];
    expect(answers).toEqual(
      Array.from({ length: 2 }, () => ({ kind: 'made', made: expect.anything() })),
    );
    expect(new Set(made).size).toBe(2);
    expect(made).toHaveLength(2);
    expect(await rows()).toBe(0);
  } finally {
    for (const one of processes) await one.close();
  }
});

test('an answer that is too long for a shared store is refused with what to do', async () => {
  const one = open(true, [], 'x'.repeat(70_000));
  try {
    expect(
      await askFleet(url(), { backend: 'notes', id: 'k3f9a2xz', call, timeoutMs: 60_000 }),
    ).toEqual({ kind: 'refused', message: expect.stringContaining('bridgeOf(object).reproduce') });
  } finally {
    await one.close();
  }
});

test('where no process has it that is said, and what is wanted by many at once has an end', async () => {
  const one = open(false, []);
  const request = { backend: 'notes', id: 'k3f9a2xz', call: undefined, timeoutMs: 1_000 };
  try {
    expect(await askFleet(url(), request, { takenWithinMs: 0 })).toEqual({ kind: 'nobody' });
    const client = new pg.Client({ connectionString: url() });
    await client.connect();
    await client.query(
      `insert into changeover.repeat (backend, id, timeout_ms, writer) select 'notes', n::text, 1, 'gone' from generate_series(1, 100) n`,
    );
    await expect(askFleet(url(), request)).rejects.toThrow('100 calls are wanted again');
    await client.query(`update changeover.repeat set asked = asked - interval '2 hours'`);
    await client.end();
    expect(await askFleet(url(), request, { takenWithinMs: 0 })).toEqual({ kind: 'nobody' });
  } finally {
    await one.close();
  }
});

test('the command has a mismatch of a program on a shared store made again by it', async () => {
  const notes = createBridge({
    name: 'notes',
    legacy: () => ({ list: () => Promise.resolve([{ id: 1 }]) }),
    pooled: () => ({ list: () => Promise.resolve([{ id: 2 }]) }),
    operations: { list: read.rows() },
    storePath: url(),
    stages: createStaticStageSource({ notes: 'shadow' }),
    ledger: false,
    logger: silentLogger,
    guardrail: { mode: 'report' },
  });
  try {
    let id: string | undefined;
    while (id === undefined) {
      // Until the ledger has been read the legacy leg answers alone.
      await notes.list();
      await bridgeOf(notes).idle();
      await wait(100);
      id = (await readSharedRecordings(url())).sampleGroups[0]?.id;
    }
    const { code, out, err } = await typeChangeover(['reproduce', id, '--format', 'json'], {
      CHANGEOVER_STORE: url(),
    });
    expect([code, err]).toEqual([99, '']);
    expect(JSON.parse(out)).toMatchObject({
      verdict: 'mismatch',
      madeBy: 'program',
      next: ['changeover explain notes all'],
    });
  } finally {
    await bridgeOf(notes).close();
  }
});
