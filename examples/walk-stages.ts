import { type Bridge, bridgeOf, type Stage } from 'changeover';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Every stage, and back to the first. */
export const stagesAndBack: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled', 'legacy'];

const variants: Readonly<Record<Stage, string>> = {
  legacy: '0-legacy',
  shadow: '1-shadow',
  reverse: '2-reverse',
  pooled: '3-pooled',
};

/** A flags file that puts every key of one bridge on one stage. `changeover flags example` writes one to begin with. */
export function flagsFor(bridge: string, stage: Stage): string {
  const flag = `changeover.${bridge}`;
  const strategy = {
    name: 'flexibleRollout',
    parameters: { rollout: '100', stickiness: 'dataset', groupId: flag },
    constraints: [],
    variants: Object.entries(variants).map(([name, variant]) => ({
      name: variant,
      weight: name === stage ? 1_000 : 0,
      stickiness: 'dataset',
    })),
  };
  const features = [
    { name: 'changeover', type: 'kill-switch', enabled: true, strategies: [] },
    {
      name: flag,
      type: 'release',
      enabled: true,
      strategies: [strategy],
      dependencies: [{ feature: 'changeover' }],
    },
  ];
  return JSON.stringify({ version: 2, features, segments: [] });
}

/**
 * Runs the same calls at every stage and back, moved by a flags file in a folder that is removed afterwards, and prints what was
 * compared.
 *
 * @param bridged made by `createBridge` with its default settings, and not used yet.
 * @throws when a comparison was not a match, or none was made where both legs run.
 */
export async function walkStages(
  bridged: object,
  calls: (stage: Stage) => Promise<string> | string,
): Promise<void> {
  const bridge = bridgeOf(bridged);
  const flags = startFlags();
  let compared = 0;
  try {
    for (const stage of stagesAndBack) {
      await flags.move(bridge, stage);
      let said = '';
      let totals = bridge.recorder.summary().totals;
      // A comparison is shed, with its reason, where the event loop is busy: then another round has to do.
      const due = stage === 'shadow' || stage === 'reverse';
      for (
        let round = 0;
        round === 0 || (due && round < 50 && totals.match === compared);
        round += 1
      ) {
        said = await calls(stage);
        await bridge.idle();
        totals = bridge.recorder.summary().totals;
      }
      const { match, mismatch, inconclusive, nondeterministic, raced } = totals;
      const more = match - compared;
      compared = match;
      console.log(`${stage.padEnd(8)} ${said}; ${String(more)} compared and equal`);
      if (mismatch + inconclusive + nondeterministic + raced > 0)
        throw new Error(`the legs differ at ${stage}: ${JSON.stringify(totals)}`);
      if (due && more === 0)
        throw new Error(`nothing was compared at ${stage}: ${JSON.stringify(totals)}`);
    }
  } finally {
    await bridge.close();
    flags.remove();
  }
}

/** A flags file by which a program's bridge is moved, and a store, in a folder of their own. */
export interface MovedFlags {
  /** Says the stage, and does not wait until the bridge has read it. */
  write(bridge: Bridge, stage: Stage): void;
  /** The same; resolves when the bridge's calls are on that stage. */
  move(bridge: Bridge, stage: Stage): Promise<void>;
  /** Removes the folder. */
  remove(): void;
}

/** To be called before a bridge is used: it reads its settings from the environment then. */
export function startFlags(): MovedFlags {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-example-'));
  const flagsFile = join(folder, 'flags.json');
  process.env['CHANGEOVER_FLAGS'] = flagsFile;
  // The flag moves keys by itself: an example shows what each stage does, not what has to be seen before the next one.
  process.env['CHANGEOVER_LEDGER'] = 'false';
  process.env['CHANGEOVER_STORE'] = join(folder, 'comparisons.sqlite');
  const write = (bridge: Bridge, stage: Stage): void => {
    writeFileSync(flagsFile, flagsFor(bridge.name, stage));
  };
  return {
    write,
    move: async (bridge, stage) => {
      write(bridge, stage);
      await reached(bridge, stage);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Resolves when a bridge's calls are on a stage: flags are read again within moments, and a guardrail puts back at once. */
export async function reached(bridge: Bridge, stage: Stage): Promise<void> {
  for (let tries = 0; bridge.stageOf() !== stage; tries += 1) {
    if (tries === 500) throw new Error(`the bridge did not come to ${stage}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
