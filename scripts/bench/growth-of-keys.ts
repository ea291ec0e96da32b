import {
  inOneGo,
  Ledger,
  openRecorder,
  type Recorder,
  silentLogger,
  SqliteLedgerStore,
} from '@changeover/bridge';
import type { Clock } from '@changeover/core';
import { bridgeOf, createBridge, createStaticStageSource, read } from 'changeover';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workedInSteps } from '../../packages/operate/src/console/console-figures.ts';
import { viewInSteps } from '../../packages/operate/src/console/console-view.ts';
import { pageRequest } from '../../packages/operate/src/console/page-request.ts';
import { openMigration, placeOf } from '../../packages/operate/src/command/migration.ts';
import { showStatus } from '../../packages/operate/src/command/status.ts';
import { openTerminal } from '../../packages/operate/src/command/terminal.ts';
import type { BenchContext } from './figure.ts';
import { type Line, measureSteps } from './growth-steps.ts';

const backend = 'notes';
const shapesAKey = 100;
/** As many as a test of thousands of keys holds in memory, so that none is let go and taken in again. */
const maxCells = 20_000;

/** Something that is done with each of so many keys. */
interface KeyWork {
  readonly key: string;
  readonly name: string;
  /** Makes what it needs for as many keys. */
  make(size: number, folder: string): Promise<Prepared> | Prepared;
}

interface Prepared {
  run(): unknown;
  end(): unknown;
}

const works: readonly KeyWork[] = [
  {
    key: 'calls-keys',
    name: 'a call of each of more keys',
    make: (size) => calls(keyNames(size), () => ''),
  },
  {
    key: 'calls-shapes',
    name: 'a call of each of more shapes, a hundred to a key',
    make: (size) =>
      calls(
        keyNames(Math.ceil(size / shapesAKey)),
        (at) => `select ${String(at % shapesAKey)} from notes`,
        Math.min(size, shapesAKey),
      ),
  },
  { key: 'store-keys', name: 'what half of more keys counted is stored', make: storing },
  { key: 'steps-keys', name: 'a change of stage of each of more keys', make: changing },
  { key: 'ticks-keys', name: 'a second in which nothing happens to more keys', make: ticking },
  { key: 'status-keys', name: '`changeover status` of more keys', make: showingStatus },
  { key: 'console-keys', name: "the console's first page of more keys", make: showingConsole },
];

/** What a program does with each of its keys, what it does each second, and what people read of them. */
export async function keysGrow({ quick }: BenchContext): Promise<Line[]> {
  const sizes = quick ? [10, 100, 1_000] : [10, 100, 1_000, 10_000];
  const lines: Line[] = [];
  for (const { key, name, make } of works) {
    const folder = mkdtempSync(join(tmpdir(), 'changeover-growth-'));
    const prepared = new Map<number, Prepared>();
    try {
      for (const size of sizes) prepared.set(size, await make(size, folder));
      const run = (size: number): unknown => prepared.get(size)?.run();
      lines.push({
        key,
        name,
        steps: await measureSteps({ sizes, rounds: quick ? 3 : 9, longestMs: 2_000, run }),
      });
    } finally {
      for (const one of prepared.values()) await one.end();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return lines;
}

function keyNames(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `key-${String(at)}`);
}

function calls(keys: readonly string[], shapeOf: (at: number) => string, times = 1): Prepared {
  const notes = { list: (_key: string, _shape: string) => [{ id: 1 }] };
  const bridged = createBridge({
    name: backend,
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => 'pooled'),
    legacy: () => notes,
    pooled: () => notes,
    operations: { list: read.rows({ shape: (_key: string, shape: string) => shape }) },
    key: { list: (key) => key },
  });
  const made = Array.from({ length: times }, (_, at) => shapeOf(at));
  return {
    run() {
      for (const key of keys) for (const shape of made) bridged.list(key, shape);
    },
    end: () => bridgeOf(bridged).close(),
  };
}

/** Its timers never come due: what they would do is done when it is asked for. */
const standingTimers: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: () => ({ cancel: () => undefined }),
};

interface Recorded {
  readonly recorder: Recorder;
  /** Counts a call of one key. */
  count(at: number): void;
}

/** A recorder that has each key in its store, with one call. */
function recorded(path: string, keys: number): Recorded {
  const recorder = openRecorder({
    path,
    run: 'bench',
    logger: silentLogger,
    clock: standingTimers,
    maxCells,
  });
  const counted = keyNames(keys).map((dataset) => {
    const place = { backend, dataset, operation: 'list', stage: 'shadow' } as const;
    return {
      cell: recorder.cell(place.backend, dataset, place.operation, place.stage),
      shape: recorder.shape({ ...place, shape: '' }),
    };
  });
  const count = (at: number): void => {
    const one = counted[at];
    if (one === undefined) return;
    one.cell.calls += 1;
    one.cell.legacyLatency.record(4);
    one.shape.calls += 1;
  };
  for (let at = 0; at < keys; at += 1) count(at);
  recorder.flushAll();
  return { recorder, count };
}

function storing(keys: number, folder: string): Prepared {
  const { recorder, count } = recorded(join(folder, `${String(keys)}.sqlite`), keys);
  return {
    run() {
      for (let at = 0; at < keys; at += 2) count(at);
      recorder.flushAll();
    },
    end() {
      recorder.close();
    },
  };
}

function changing(keys: number): Prepared {
  const { recorder } = recorded(':memory:', keys);
  const names = keyNames(keys);
  return {
    run() {
      for (const dataset of names) recorder.event('stage', { backend, dataset });
    },
    end() {
      recorder.close();
    },
  };
}

function ticking(keys: number, folder: string): Prepared {
  const path = join(folder, `${String(keys)}.sqlite`);
  const { recorder } = recorded(path, keys);
  placeKeys(path, keys);
  const ledger = new Ledger({
    store: new SqliteLedgerStore(path),
    logger: silentLogger,
    clock: standingTimers,
  });
  return {
    async run() {
      recorder.flush();
      await ledger.review();
    },
    async end() {
      recorder.close();
      await ledger.close();
    },
  };
}

/** Each key at `shadow`, as its ledger has it. */
function placeKeys(path: string, keys: number): void {
  const store = new SqliteLedgerStore(path);
  const names = keyNames(keys);
  for (let from = 0; from < keys; from += 100) {
    store.append(
      names.slice(from, from + 100).map((dataset) => ({
        at: Date.now(),
        backend,
        dataset,
        from: 'legacy',
        to: 'shadow',
        held: false,
        who: 'flag',
        reason: 'no gate stands before shadow',
        revision: '1',
        previous: 0,
      })),
    );
  }
  store.close();
}

function storeOf(keys: number, folder: string): ReturnType<typeof placeOf> {
  const store = join(folder, `${String(keys)}.sqlite`);
  recorded(store, keys).recorder.close();
  placeKeys(store, keys);
  return placeOf({ store, flags: join(folder, 'flags.json') }, {});
}

function showingStatus(keys: number, folder: string): Prepared {
  const place = storeOf(keys, folder);
  return {
    async run() {
      let shown = '';
      const write = (text: string): void => {
        shown += text;
      };
      const streams = { stdout: { write }, stderr: { write }, env: {} };
      const migration = await openMigration(place);
      showStatus(migration, openTerminal(streams, 'text'));
      await migration.close();
      if (!shown.includes(`key-${String(keys - 1)} `))
        throw new Error(`${String(keys)} keys were to be shown`);
    },
    end: () => undefined,
  };
}

function showingConsole(keys: number, folder: string): Prepared {
  const place = storeOf(keys, folder);
  const minutes = { byBackend: [], byDataset: [] };
  return {
    async run() {
      const migration = await openMigration(place);
      const figures = inOneGo(
        workedInSteps({ migration, pools: [], readOnly: false, reading: 'all', minutes }),
      );
      inOneGo(viewInSteps(figures, pageRequest(new URLSearchParams())));
      await migration.close();
      if (figures.lines.length !== keys) throw new Error(`${String(keys)} keys were to be shown`);
    },
    end: () => undefined,
  };
}
