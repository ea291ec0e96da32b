// One process of an application that writes and reads a dataset which another process writes too, with every read compared.
// Prints one line of JSON at its end.
import {
  caller,
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type Stage,
  stages,
} from 'changeover';
import { pick, seededRandom } from '../random.ts';
import type { CleanEnd, CleanOptions } from './clean-run.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as CleanOptions;
const { letter, dataset, calls } = options;
const engine: Engine = options.engine;
const random = seededRandom(letter.charCodeAt(0));
const problems: string[] = [];
/** Calls that were given up for another's lock, which the API says may be made again. */
let busy = 0;
let stage: Stage = 'shadow';
const source = createStaticStageSource(() => stage);
const bridge = createStorageBridge({
  basePath: options.basePath,
  databaseUrl: options.databaseUrl,
  storePath: ':memory:',
  stages: source,
  guardrail: { mode: 'report' },
  // Nobody is waited for here: as many as there are calls.
  shadowQueue: { busyShare: 1, maxWaitMs: 5_000 },
});
const storage = bridge.storage(engine);
/** Of the calls, those that write. */
const share = 0.15;
const mark = engine === 'postgresql' ? '$1' : '?';
let made = 0;

const work: readonly (() => Promise<unknown>)[] = [
  () =>
    storage.writeTable(dataset, 'journal', [{ id: `${letter}${String((made += 1))}`, note: 'x' }], {
      ifExists: 'append',
    }),
  () => storage.execute(dataset, 'UPDATE counter SET n = n + 1'),
  () =>
    storage.transaction(dataset, async (inside) => {
      await inside.query('SELECT n FROM counter');
      await inside.execute('UPDATE counter SET n = n + 1');
      await inside.execute(`DELETE FROM journal WHERE id = ${mark}`, [`${letter}${String(made)}`]);
    }),
  // What is there and gone again: each leg, read in turn, may see the one or the other.
  () => storage.execute(dataset, 'UPDATE flag SET up = 1 - up'),
  async () => {
    const table = `made_${letter}${String((made += 1))}`;
    await storage.execute(dataset, `CREATE TABLE ${table} (a INTEGER)`);
    await storage.execute(dataset, `DROP TABLE ${table}`);
  },
  () => storage.updateMetadata(dataset, { [`by ${letter}`]: made }),
  () => storage.query(dataset, 'SELECT n FROM counter'),
  () => storage.query(dataset, 'SELECT up FROM flag'),
  () => storage.query(dataset, 'SELECT count(*) AS c FROM flag WHERE up = 1'),
  () => storage.listTables(dataset),
  () => storage.getMetadata(dataset),
  () => storage.getTableInfo(dataset, 'journal'),
  // More rows than DuckDB and PostgreSQL read by one thread or process.
  () => storage.analyzeColumn(dataset, 'numbers', 'x'),
  () => storage.query(dataset, 'SELECT sum(x) AS s, avg(x) AS a FROM numbers'),
  () => storage.query(dataset, 'SELECT k, sum(x) AS s FROM numbers GROUP BY k'),
  () => storage.readTable(dataset, 'numbers', { limit: 100 }),
  () => storage.query(dataset, 'SELECT count(*) AS c, max(id) AS m FROM journal'),
  () => storage.query(dataset, `SELECT id FROM journal WHERE id = ${mark}`, [`a${String(made)}`]),
  () => storage.readTable(dataset, 'counter'),
  () => storage.readTable(dataset, 'journal', { limit: 20, orderBy: [{ column: 'id' }] }),
  () => storage.getColumns(dataset, 'journal'),
  () => storage.datasetExists(dataset),
];
const writes = 6;

function total(name: 'compared' | 'mismatch'): number {
  return (Object.keys(storage) as (keyof typeof storage)[]).reduce(
    (sum, operation) =>
      sum +
      stages.reduce(
        (all, each) => all + bridge.recorder.cell(engine, dataset, operation, each)[name],
        0,
      ),
    0,
  );
}

async function loop(): Promise<void> {
  while (total('compared') < calls) {
    const one =
      random() < share ? pick(random, work.slice(0, writes)) : pick(random, work.slice(writes));
    try {
      await one();
    } catch (error) {
      if ((error as { readonly retryable?: unknown }).retryable === true) busy += 1;
      else problems.push(String(error));
      if (problems.length > 20) return;
    }
    const next = total('compared') * 2 < calls ? 'shadow' : 'reverse';
    if (next !== stage) source.set(() => (stage = next));
    // Comparisons are made where no call is under way.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

await Promise.all(Array.from({ length: 4 }, () => caller(loop)));
await bridge.idle();
const mismatches = bridge.recorder
  .summary()
  .sampleGroups.filter(({ verdict }) => verdict === 'mismatch');
const end: CleanEnd = {
  compared: total('compared'),
  mismatch: total('mismatch'),
  busy,
  problems: [...problems, ...mismatches.slice(0, 5).map((sample) => JSON.stringify(sample))],
};
await bridge.close();
process.stdout.write(`${JSON.stringify(end)}\n`);
