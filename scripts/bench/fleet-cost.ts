import { openLedgerStore, parseSettings, silentLogger } from '@changeover/bridge';
import { bridgeOf, createBridge, createStaticStageSource, read } from 'changeover';
import { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TcpProxy } from '../../test/kit/tcp-proxy.ts';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  countOf,
  type Figure,
  figureOf,
} from './figure.ts';
import { countText, pause } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';

export const fleetCost: BenchCase = {
  name: 'fleet-cost',
  title:
    'what one process costs the store that a fleet shares, of PostgreSQL: statements and bytes a second, counted at the wire',
  needsPostgres: true,
  run: measureFleetCost,
};

const backend = 'notes';
/** One key in so many answers differently on the two legs, so that there are samples, and windows in which something is wrong. */
const keysADifference = 10;
const shapes = 5;

/** What may be said and read at once in the beginning is said and read by then. */
const warmUpMs = 10_000;

/** How much one process has to tell. */
interface Load {
  readonly key: string;
  readonly what: string;
  readonly keys: number;
  readonly shapes: number;
  /** Calls made in one turn of the event loop, and how long it rests then; without a rest it does nothing else. */
  readonly callsATurn: number;
  readonly restMs: number;
}

const loads: readonly Load[] = [
  {
    key: 'quiet',
    what: 'one key called ten times a second',
    keys: 1,
    shapes: 1,
    callsATurn: 1,
    restMs: 100,
  },
  {
    key: 'full',
    what: '300 keys, each by five shapes, as fast as it can',
    keys: 300,
    shapes,
    callsATurn: 100,
    restMs: 0,
  },
];

async function measureFleetCost(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  for (const load of loads) figures.push(...(await costOf(context, load)));
  return { figures };
}

/** A process that has as much as possible to say: keys at `reverse` that wait for their next step, of which some differ. */
async function costOf({ databaseUrl = '', quick }: BenchContext, load: Load): Promise<Figure[]> {
  await placeKeys(databaseUrl, load);
  const proxy = await TcpProxy.start(databaseUrl);
  const meter = new Meter();
  proxy.intercept = (piece, fromServer) => {
    meter.add(piece, fromServer);
    return 'pass';
  };
  const calling = startCalling(proxy.urlFor(databaseUrl), load);
  try {
    await pause(quick ? 5_000 : warmUpMs);
    const rounds: Round[] = [];
    const [count, roundMs] = quick ? [3, 1_000] : [6, 2_000];
    for (let round = 0; round < count; round += 1) {
      const [before, calls, fromMs] = [meter.read(), calling.calls, performance.now()];
      await pause(roundMs);
      const seconds = (performance.now() - fromMs) / 1_000;
      const { statements, bytes } = meter.read();
      rounds.push({
        statements: (statements - before.statements) / seconds,
        bytes: (bytes - before.bytes) / seconds,
        calls: (calling.calls - calls) / seconds,
      });
    }
    return figuresOf(load, rounds, await calling.end());
  } finally {
    await proxy.stop();
  }
}

/** What went over the wire, or was called, in a second. */
interface Round {
  readonly statements: number;
  readonly bytes: number;
  readonly calls: number;
}

function figuresOf(
  { key, what, restMs }: Load,
  rounds: readonly Round[],
  { calls, writes }: { readonly calls: number; readonly writes: number },
): Figure[] {
  const each = quantile(
    rounds.map((round) => round.calls),
    0.5,
  );
  return [
    figureOf({
      key: `${key}-statements`,
      name: `statements a second, ${what}`,
      unit: 'a second',
      rounds: rounds.map(({ statements }) => statements),
      target: atMost(1),
      beside: `${countText(Math.round(each))} calls a second`,
    }),
    figureOf({
      key: `${key}-bytes`,
      name: `bytes a second in both directions, ${what}`,
      unit: 'KiB a second',
      rounds: rounds.map(({ bytes }) => bytes / 1_024),
      target: atMost(4),
    }),
    ...(restMs > 0
      ? []
      : [
          countOf({
            key: `${key}-on-callers-path`,
            name: 'writes to a socket from within a call',
            unit: 'writes',
            count: writes,
            target: atMost(0),
            beside: `of ${countText(calls)} calls`,
          }),
        ]),
  ];
}

/** Counts what goes to PostgreSQL and comes from it: each statement's answer ends with one `ReadyForQuery`. */
class Meter {
  #statements = 0;
  #bytes = 0;
  /** What the server's last piece ended with: a message may be cut anywhere. */
  #end = Buffer.alloc(0);

  add(piece: Buffer, fromServer: boolean): void {
    this.#bytes += piece.length;
    if (!fromServer) return;
    const text = Buffer.concat([this.#end, piece]);
    for (let at = text.indexOf(ready); at >= 0; at = text.indexOf(ready, at + 1))
      this.#statements += 1;
    this.#end = Buffer.from(text.subarray(-(ready.length - 1)));
  }

  read(): { readonly statements: number; readonly bytes: number } {
    return { statements: this.#statements, bytes: this.#bytes };
  }
}

const ready = Buffer.from('Z\0\0\0\x05');

interface Calling {
  readonly calls: number;
  /** Resolves to how many calls there were, and how often one of them wrote to a socket before it returned. */
  end(): Promise<{ readonly calls: number; readonly writes: number }>;
}

function startCalling(url: string, { keys, shapes: most, callsATurn, restMs }: Load): Calling {
  const notes = (isPooled: boolean) => ({
    list: (key: number, _shape: number) => [
      { id: isPooled && key % keysADifference === 0 ? 2 : 1 },
    ],
  });
  const bridged = createBridge({
    name: backend,
    storePath: url,
    logger: silentLogger,
    guardrail: { mode: 'report' },
    ledger: true,
    stages: createStaticStageSource(() => 'pooled'),
    legacy: () => notes(false),
    pooled: () => notes(true),
    operations: { list: read.rows({ shape: (_key, shape) => `by ${String(shape)}` }) },
    key: { list: (key) => `key-${String(key)}` },
  });
  const path = new CallersPath();
  let [calls, isOver] = [0, false];
  const done = (async () => {
    while (!isOver) {
      for (let made = 0; made < callsATurn; made += 1) {
        const at = calls;
        path.within(() => bridged.list(at % keys, Math.floor(at / keys) % most));
        calls += 1;
      }
      await (restMs > 0 ? pause(restMs) : nextTurn());
    }
  })();
  return {
    get calls() {
      return calls;
    },
    async end() {
      isOver = true;
      await done;
      const { writes } = path;
      path.end();
      await bridgeOf(bridged).close();
      return { calls, writes };
    },
  };
}

/** Sees what calls write to sockets before they return. */
class CallersPath {
  writes = 0;
  #isWithin = false;
  readonly #write = Socket.prototype.write;

  constructor() {
    const [path, write] = [this, this.#write as (...args: unknown[]) => boolean];
    Socket.prototype.write = function written(this: Socket, ...args: unknown[]): boolean {
      if (path.#isWithin) path.writes += 1;
      return write.apply(this, args);
    };
  }

  within(call: () => unknown): void {
    this.#isWithin = true;
    call();
    this.#isWithin = false;
  }

  end(): void {
    Socket.prototype.write = this.#write;
  }
}

/** All keys stand at `reverse`, where the pooled leg answers and each is judged for its next step. */
async function placeKeys(url: string, { keys }: Load): Promise<void> {
  const ledger = openLedgerStore(parseSettings({ storePath: url }, {}), silentLogger);
  try {
    await ledger.read(0);
    for (let from = 0; from < keys; from += 100) {
      await ledger.append(
        Array.from({ length: Math.min(100, keys - from) }, (_, at) => ({
          at: Date.now(),
          backend,
          dataset: `key-${String(from + at)}`,
          from: 'shadow' as const,
          to: 'reverse' as const,
          held: false,
          who: 'flag',
          reason: 'where this measurement begins',
          revision: '1',
          previous: 0,
        })),
      );
    }
  } finally {
    await ledger.close();
  }
}
