import { expect, test } from '@jest/globals';
import pg from 'pg';
import { silentLogger } from '@changeover/bridge';
import { readSharedRecordings } from 'changeover';
import { ownDatabase } from './own-database.ts';
import { VirtualPod } from './virtual-pod.ts';

const url = ownDatabase('hours');
const hourMs = 3_600_000;

async function writersOf(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query(
    `select left(writer, 1) as writer, hour from changeover.cell where not folded`,
  );
  return (rows as { writer: string; hour: number }[])
    .map(({ writer, hour }) => `${String(hour)} ${writer === '(' ? 'sum' : 'own'}`)
    .sort();
}

async function calls(): Promise<number> {
  return (await readSharedRecordings(url())).totals.calls;
}

test('what processes that live counted in hours that are over is added up, and counted on from, also where a clock was put back', async () => {
  const client = new pg.Client({ connectionString: url() });
  const hour = Math.floor(Date.now() / hourMs);
  const wallMs = hour * hourMs + 60_000;
  const pods = [0, 1].map(() => new VirtualPod(url(), silentLogger, { wallMs: wallMs - hourMs }));
  const setWall = async (at: number, wall: number): Promise<void> => {
    pods[at]?.clock.setWall(wall);
    await pods[at]?.pass(2_000);
  };
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1)
      for (const pod of pods) await pod.pass(1_000);
  };
  const countAndPass = async (seconds: number): Promise<void> => {
    for (const pod of pods) pod.count('one', 5);
    await pass(seconds);
  };
  try {
    await client.connect();
    await countAndPass(3);
    // An hour begins for one of them, and what the other one counts may yet be of the one before.
    await setWall(0, wallMs);
    await countAndPass(25);
    expect(await writersOf(client)).toEqual([
      `${String(hour - 1)} own`,
      `${String(hour - 1)} sum`,
      `${String(hour)} own`,
    ]);
    expect(await calls()).toBe(20);

    await setWall(1, wallMs);
    await countAndPass(25);
    expect(await writersOf(client)).toEqual([
      `${String(hour - 1)} sum`,
      `${String(hour)} own`,
      `${String(hour)} own`,
    ]);
    expect(await calls()).toBe(30);

    // What is counted in an hour that was added up already is in a row of its own, and stays there as long as it may change.
    for (const at of [0, 1]) await setWall(at, wallMs - hourMs);
    for (let turn = 0; turn < 3; turn += 1) await countAndPass(12);
    expect(await calls()).toBe(60);
    for (const at of [0, 1]) await setWall(at, wallMs);
    await countAndPass(45);
    expect(await calls()).toBe(70);
  } finally {
    await Promise.all(pods.map((pod) => pod.close()));
    await client.end();
  }
});
