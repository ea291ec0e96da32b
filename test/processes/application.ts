// One process of an application: calls its datasets without a pause, through the bridge, from several callers at once.
// It writes a line of JSON for what happens, and ends when its standard input does.
import { type Leg } from '@changeover/core';
import { createStorageBridge, type Engine, type Stage, stages, type StorageApi } from 'changeover';
import type { ApplicationEnd, ApplicationOptions } from './application-options.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ApplicationOptions;
const { letter, dataset, callers } = options;
const operations = ['writeTable', 'execute', 'transaction', 'readTable', 'query'] as const;
const lastPooledAt: Partial<Record<Engine, number>> = {};
const written: Partial<Record<Engine, number[]>> = {};
const failures: string[] = [];
let calls = 0;
let ending = false;

const bridge = createStorageBridge({
  basePath: options.basePath,
  flagsFile: options.flagsFile,
  databaseUrl: options.databaseUrl,
  ...(options.store === undefined ? {} : { storePath: options.store }),
  ledger: options.ledger === true,
  decoratePooledLeg: options.watchPooled === true ? watchPooled : undefined,
});

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Notes when the pooled leg was last called by a caller. */
function watchPooled(leg: Leg<StorageApi>): Leg<StorageApi> {
  const engine = options.engines.find((name) => bridge.factory.leg(name) === leg) ?? 'sqlite';
  const api = new Proxy(leg.api, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        lastPooledAt[engine] = Date.now();
        return (value as (...given: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  return { ...leg, api };
}

/** One caller's work: each write has a name of its own and adds one to a counter that all processes share. */
async function work(engine: Engine, caller: number): Promise<void> {
  const storage = bridge.storage(engine);
  const [mark, note] = engine === 'postgresql' ? ['$1', 'postgresql'] : ['?', 'sqlite'];
  const counts = (written[engine] ??= []);
  counts[caller] = 0;
  for (let turn = 0; !ending; turn += 1) {
    const id = `${letter}-${String(caller)}-${String(turn)}`;
    try {
      switch (turn % 4) {
        case 0:
          await storage.writeTable(dataset, 'journal', [{ id, note }], { ifExists: 'append' });
          break;
        case 1:
          await storage.execute(
            dataset,
            `insert into journal (id, note) values (${mark}, '${note}')`,
            [id],
          );
          break;
        case 2:
          await storage.transaction(dataset, async (transaction) => {
            await transaction.execute('update counter set value = value + 1');
            await transaction.execute(
              `insert into journal (id, note) values (${mark}, '${note}')`,
              [id],
            );
          });
          break;
        default:
          await storage.execute(dataset, 'update counter set value = value + 1');
          await storage.writeTable(dataset, 'journal', [{ id, note }], { ifExists: 'append' });
      }
      counts[caller] = turn + 1;
      await storage.readTable(dataset, 'counter');
      await storage.query(dataset, 'select name from counter order by name');
      calls += 3;
    } catch (error) {
      failures.push(`${engine} ${id}: ${String(error)}`);
      tell({ kind: 'failed', message: failures.at(-1) });
    }
    // Timers have their turn between two calls that were answered at once.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

function counted(
  engine: Engine,
  stage: Stage,
): { calls: number; compared: number; mismatch: number } {
  const total = { calls: 0, compared: 0, mismatch: 0 };
  for (const operation of operations) {
    const cell = bridge.recorder.cell(engine, dataset, operation, stage);
    total.calls += cell.calls;
    total.compared += cell.compared;
    total.mismatch += cell.mismatch;
  }
  return total;
}

/** Tells of each change of stage, once an engine has had so many calls there that it is in the middle of its work. */
const rounds = new Map<Engine, { stage: string; round: number; base: Map<Stage, number> }>();
const watching = setInterval(() => {
  for (const engine of options.engines) {
    const last = rounds.get(engine);
    const calls = new Map(stages.map((stage) => [stage, counted(engine, stage).calls]));
    const stage = stages.find(
      (name) => name !== last?.stage && (calls.get(name) ?? 0) - (last?.base.get(name) ?? 0) >= 40,
    );
    if (stage === undefined) continue;
    const round = (last?.round ?? 0) + 1;
    rounds.set(engine, { stage, round, base: calls });
    tell({ kind: 'working', engine, stage, round });
  }
}, 10);

process.stdin
  .on('end', () => {
    ending = true;
  })
  .resume();
for (const engine of options.engines) bridge.storage(engine);
await Promise.all(
  options.engines.flatMap((engine) =>
    Array.from({ length: callers }, (_, caller) => work(engine, caller)),
  ),
);
clearInterval(watching);
await bridge.idle();
const totals = options.engines.flatMap((engine) => stages.map((stage) => counted(engine, stage)));
await bridge.close();
const end: ApplicationEnd = {
  kind: 'end',
  letter,
  calls,
  failures,
  written,
  lastPooledAt,
  counted: {
    calls: totals.reduce((sum, one) => sum + one.calls, 0),
    compared: totals.reduce((sum, one) => sum + one.compared, 0),
    mismatch: totals.reduce((sum, one) => sum + one.mismatch, 0),
  },
};
tell(end);
