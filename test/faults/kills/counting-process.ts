// One process that counts up by transactions and by single writes, from eight callers, at stages that change, until it is killed.
// It prints `+` before each call and `=` after each answer, in the tick of either.
import { writeSync } from 'node:fs';
import {
  caller,
  createStaticStageSource,
  createStorageBridge,
  type Stage,
  stages,
} from 'changeover';
import { pick, seededRandom } from '../random.ts';
import type { KillOptions } from './kill-run.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as KillOptions;
const { dataset, engine } = options;
const random = seededRandom(options.seed);
let stage: Stage = pick(random, stages);
const source = createStaticStageSource(() => stage);
const bridge = createStorageBridge({
  basePath: options.basePath,
  databaseUrl: options.databaseUrl,
  storePath: ':memory:',
  stages: source,
  guardrail: { mode: 'report' },
});
const storage = bridge.storage(engine);

async function count(): Promise<void> {
  if (random() < 0.5) {
    await storage.execute(dataset, 'UPDATE counter SET n = n + 1');
    return;
  }
  await storage.transaction(dataset, async (inside) => {
    const { rows } = await inside.query('SELECT n FROM counter');
    await inside.execute(`UPDATE counter SET n = ${String(Number(rows[0]?.['n']) + 1)}`);
  });
}

async function loop(): Promise<void> {
  for (;;) {
    if (random() < 0.1) {
      stage = pick(random, stages);
      source.set(() => stage);
    }
    writeSync(1, '+');
    // What is cut off by a move back was called and is not acknowledged.
    const isDone = await count().then(
      () => true,
      () => false,
    );
    if (isDone) writeSync(1, '=');
  }
}

await Promise.all(Array.from({ length: 8 }, () => caller(loop)));
