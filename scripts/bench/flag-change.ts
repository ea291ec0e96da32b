import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackendRouter, openRecorder } from '@changeover/bridge';
import { openFileStageSource, openServerStageSource } from '@changeover/bridge';
import { createLogger, type Row, type Stage, type StageSource, type StorageApi } from 'changeover';
import { parseDatasetName, storageOperations } from '@changeover/engines';
import { stages } from '@changeover/core';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { pause } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';

const refreshIntervalMs = 500;

export const flagChange: BenchCase = {
  name: 'flag-change',
  title: "from a flags file's write, or the server's answer, to the last call on the old stage",
  run: async (context) =>
    ({ figures: [await fromFile(context), await fromServer(context)] }) satisfies CaseResult,
};

/** Flags with every dataset of SQLite on one stage. */
function flagsAt(stage: Stage): string {
  const variants = stages.map((name, at) => ({
    name: `${at}-${name}`,
    weight: name === stage ? 1_000 : 0,
    stickiness: 'dataset',
  }));
  return JSON.stringify({
    version: 2,
    features: [
      {
        name: 'changeover.sqlite',
        type: 'release',
        enabled: true,
        strategies: [
          {
            name: 'flexibleRollout',
            parameters: { rollout: '100', stickiness: 'dataset', groupId: 'changeover.sqlite' },
            constraints: [],
            variants,
          },
        ],
      },
    ],
  });
}

/** Calls all the time, and notes by which leg each was answered last. */
class Traffic {
  readonly lastAt: Record<'legacy' | 'pooled', number> = { legacy: 0, pooled: 0 };
  readonly #api: StorageApi;
  readonly #source: StageSource;
  #stop = false;
  readonly #loop: Promise<void>;

  constructor(source: StageSource) {
    this.#source = source;
    const logger = createLogger({ level: 'silent' });
    this.#api = new BackendRouter<StorageApi>({
      backend: 'sqlite',
      logger,
      operations: storageOperations,
      parseKey: parseDatasetName,
      stages: source,
      recorder: openRecorder({ path: ':memory:', run: 'bench', logger }),
      legacy: { name: 'legacy', api: this.#leg('legacy') },
      pooled: { name: 'pooled', api: this.#leg('pooled') },
    }).api;
    this.#loop = this.#run();
  }

  /** How long calls went on to the other leg after `changedAt`. Rejects if the change never comes. */
  async settled(leg: 'legacy' | 'pooled', changedAt: number): Promise<number> {
    const other = leg === 'legacy' ? 'pooled' : 'legacy';
    while (this.lastAt[leg] < changedAt) {
      if (performance.now() - changedAt > 10_000)
        throw new Error(`no call was answered by ${leg} within 10 s of the change`);
      await pause(1);
    }
    await pause(100);
    return Math.max(0, this.lastAt[other] - changedAt);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#loop;
    await this.#source.close();
  }

  #leg(name: 'legacy' | 'pooled'): StorageApi {
    const readTable = async (): Promise<Row[]> => {
      this.lastAt[name] = performance.now();
      return [];
    };
    return { readTable } as unknown as StorageApi;
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      await this.#api.readTable('titanic', 'train');
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

async function fromFile({ quick }: BenchContext): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-flags-'));
  const path = join(folder, 'changeover.json');
  const write = (stage: Stage): void => {
    writeFileSync(`${path}.new`, flagsAt(stage));
    renameSync(`${path}.new`, path);
  };
  write('legacy');
  const traffic = new Traffic(
    openFileStageSource({ path, logger: createLogger({ level: 'error' }) }),
  );
  const took: number[] = [];
  try {
    await traffic.settled('legacy', performance.now());
    for (let turn = 0; turn < (quick ? 6 : 20); turn += 1) {
      const stage = turn % 2 === 0 ? 'pooled' : 'legacy';
      const changedAt = performance.now();
      write(stage);
      took.push(await traffic.settled(stage, changedAt));
    }
  } finally {
    await traffic.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return figureOf({
    key: 'file',
    name: "from the file's write to the last call on the old stage, the longest of a round",
    unit: 'ms',
    rounds: longestOf(took, quick ? 2 : 4),
    target: atMost(100),
    beside: `median ${quantile(took, 0.5).toFixed(1)} ms, longest ${quantile(took, 1).toFixed(1)} ms of ${took.length} changes`,
  });
}

/** The longest of each `size` changes in a row, which make a round. */
function longestOf(took: readonly number[], size: number): number[] {
  const rounds: number[] = [];
  for (let from = 0; from < took.length; from += size)
    rounds.push(Math.max(...took.slice(from, from + size)));
  return rounds;
}

/** A server that answers as Unleash's client API does. What is measured is ours: when it is asked, and what is made of it. */
async function fromServer({ quick }: BenchContext): Promise<Figure> {
  let stage: Stage = 'legacy';
  const server: Server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(flagsAt(stage));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const traffic = new Traffic(
    openServerStageSource({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
      token: 'bench',
      refreshIntervalMs,
      logger: createLogger({ level: 'error' }),
    }),
  );
  const took: number[] = [];
  try {
    await traffic.settled('legacy', performance.now());
    for (let turn = 0; turn < (quick ? 3 : 10); turn += 1) {
      // At another moment between two polls each time.
      await pause((turn * 73) % refreshIntervalMs);
      stage = turn % 2 === 0 ? 'pooled' : 'legacy';
      took.push(await traffic.settled(stage, performance.now()));
    }
  } finally {
    await traffic.stop();
    server.closeAllConnections();
    server.close();
  }
  return figureOf({
    key: 'server',
    name: "from the server's change to the last call on the old stage, the longest of a round",
    unit: 'ms',
    rounds: longestOf(took, quick ? 1 : 2),
    target: atMost(refreshIntervalMs + 100),
    beside:
      `polled every ${refreshIntervalMs} ms; median ${quantile(took, 0.5).toFixed(0)} ms, ` +
      `longest ${quantile(took, 1).toFixed(0)} ms of ${took.length} changes`,
  });
}
