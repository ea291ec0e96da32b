import { type Engine, engines } from '@changeover/core';
import { killSwitchFlag, stageFlag } from '@changeover/router';
import type { UnleashAdmin, WantedStrategy } from '../unleash-admin.ts';
import { CommandError } from './command-error.ts';

interface WantedFlag {
  readonly name: string;
  readonly enabled: boolean;
  readonly strategies?: readonly WantedStrategy[];
}

interface Step {
  readonly what: string;
  take(): Promise<string[]>;
}

/**
 * Puts a flags file's strategies in use on the flag server, flag by flag. Dependencies stay as they are there.
 *
 * @param killed engines that are held as a whole: their flags are off on the server until they are resumed.
 * @returns what was left as it is, for people.
 * @throws {CommandError} where the server can't be asked or refuses, with what was changed until then: nothing, or which flags.
 */
export async function applyToServer(admin: UnleashAdmin, text: string, killed: readonly Engine[]): Promise<string[]> {
  const { features } = JSON.parse(text) as { readonly features: readonly WantedFlag[] };
  const flags = new Map(features.map((flag) => [flag.name, flag]));
  refuseSegments(features);
  const done: string[] = [];
  const notes: string[] = [];
  try {
    for (const { what, take } of await stepsTo(admin, flags, killed)) {
      notes.push(...await take());
      done.push(what);
    }
    return notes;
  } catch (error) {
    const until = done.length === 0 ? 'Nothing was changed'
      : `Only a part was changed (${done.join('; ')}), and the ledger has nothing of it; type the same again for the rest`;
    throw new CommandError(`${until}: ${(error as Error).message}.`);
  }
}

/** Asks for all that is there before the first change. Off comes before all else, on after all else. */
async function stepsTo(admin: UnleashAdmin, flags: ReadonlyMap<string, WantedFlag>, killed: readonly Engine[]): Promise<Step[]> {
  const steps: { readonly off: Step[]; readonly strategies: Step[]; readonly on: Step[] } = { off: [], strategies: [], on: [] };
  const turn = async (name: string): Promise<void> => {
    const wanted = flags.get(name);
    if (wanted === undefined || await admin.isOn(name) === wanted.enabled) return;
    steps[wanted.enabled ? 'on' : 'off'].push({ what: `${name} is turned ${wanted.enabled ? 'on' : 'off'}`, take: async () => {
      await admin.turn(name, wanted.enabled);
      return [];
    } });
  };
  for (const engine of engines) {
    const strategies = flags.get(stageFlag(engine))?.strategies;
    if (killed.includes(engine)) steps.on.push(leftOff(engine));
    else await turn(stageFlag(engine));
    if (strategies !== undefined) steps.strategies.push(strategyStep(admin, engine, strategies));
  }
  await turn(killSwitchFlag);
  return [...steps.off.toReversed(), ...steps.strategies, ...steps.on];
}

function leftOff(engine: Engine): Step {
  const note = `${stageFlag(engine)} stays off: all of ${engine} is held. End it: changeover resume ${engine} --reason "..."`;
  return { what: `${stageFlag(engine)} is left off`, take: () => Promise.resolve([note]) };
}

function strategyStep(admin: UnleashAdmin, engine: Engine, strategies: readonly WantedStrategy[]): Step {
  return { what: `${stageFlag(engine)} has the file's strategies`, take: () => admin.replace(engine, strategies) };
}

function refuseSegments(features: readonly WantedFlag[]): void {
  const found = features.find(({ strategies = [] }) => strategies.some(({ segments = [] }) => segments.length > 0));
  if (found === undefined) return;
  throw new CommandError(`${found.name} uses segments, and the server's are others: write their constraints into the strategies. ` +
    'Nothing was changed.');
}
