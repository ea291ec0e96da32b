import {
  bridgeOf,
  createBridge,
  createStaticStageSource,
  read,
  silentLogger,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { takeTurns, timeText } from './measure.ts';
import { addedFigures, openPeers } from './migration-peers.ts';
import { atMost } from './verdict.ts';

/** A singleton whose answers cost next to nothing, so that what is added shows. */
class Notes {
  readonly #rows = [{ id: 1 }];

  async list(_notebook: string): Promise<{ id: number }[]> {
    return this.#rows;
  }

  listNow(_notebook: string): { id: number }[] {
    return this.#rows;
  }
}

export const createBridgeOverhead: BenchCase = {
  name: 'create-bridge',
  title: "what createBridge adds to a call of anyone's object, beside LaunchDarkly's migration",
  run: measureBridge,
};

function bridged(stage: Stage): Notes {
  return createBridge({
    name: 'notes',
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => stage),
    legacy: () => new Notes(),
    pooled: () => new Notes(),
    operations: { list: read.rows(), listNow: read.rows() },
    key: { list: (notebook) => notebook, listNow: (notebook) => notebook },
  });
}

async function measureBridge(context: BenchContext): Promise<CaseResult> {
  const notes = new Notes();
  const [atLegacy, atPooled] = [bridged('legacy'), bridged('pooled')];
  const call = () => notes.list('home');
  const peers = await openPeers(call);
  const turns = { rounds: 25, roundMs: 40 };
  const awaited = await takeTurns(
    context,
    {
      direct: call,
      legacy: () => atLegacy.list('home'),
      pooled: () => atPooled.list('home'),
      ...peers.sides,
    },
    turns,
  );
  const atOnce = await takeTurns(
    context,
    {
      direct: () => notes.listNow('home'),
      legacy: () => atLegacy.listNow('home'),
      pooled: () => atPooled.listNow('home'),
    },
    turns,
  );
  peers.close();
  for (const object of [atLegacy, atPooled]) await bridgeOf(object).close();
  const awaitedBridge = { name: 'createBridge', inside: 'the method', ofLaunchDarkly: 0.12 };
  const figures = (['legacy', 'pooled'] as const).flatMap((stage): Figure[] => {
    return [
      ...addedFigures(stage, awaited, awaitedBridge),
      figureOf({
        key: `${stage}-at-once`,
        name: `createBridge adds to a call that answers at once, at ${stage}`,
        unit: 'µs',
        rounds: atOnce.addedMicros(stage, 'direct'),
        target: atMost(0.15),
        beside: `the method itself takes ${timeText(atOnce.medianMs('direct'))}`,
      }),
    ];
  });
  return { figures };
}
