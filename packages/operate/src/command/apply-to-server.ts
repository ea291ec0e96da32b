import { killSwitchFlag, stageFlag, typedWord } from '@changeover/bridge';
import type {
  Dependency,
  Segment,
  ServerFlag,
  UnleashAdmin,
  WantedStrategy,
} from '@changeover/bridge';
import { CommandError } from './command-error.ts';
import {
  sameConstraints,
  sameDependency,
  sameStrategies,
  strategiesToWrite,
} from './same-strategies.ts';

interface WantedFlag {
  readonly name: string;
  readonly type?: string;
  readonly enabled: boolean;
  readonly strategies?: readonly WantedStrategy[];
  readonly dependencies?: readonly Dependency[];
}

/** One change of the flag server. */
export interface ServerStep {
  /** What it does, for people, as what is so afterwards. */
  readonly what: string;
  /** @returns what was left as it is, for people. */
  take(): Promise<readonly string[]>;
}

/** What a flags file asks of the flag server. */
export interface ServerPlan {
  /** In the order in which they are taken; empty where the server has all of it. */
  readonly steps: readonly ServerStep[];
  /** What stays as it is in spite of the file, for people. */
  readonly notes: readonly string[];
}

interface FlagsFile {
  readonly features: readonly WantedFlag[];
  readonly segments?: readonly Segment[];
}

type Phase = 'add' | 'addSegments' | 'off' | 'parents' | 'strategies' | 'loosen' | 'on';

const flagTypes: readonly string[] = [
  'release',
  'experiment',
  'operational',
  'kill-switch',
  'permission',
];

/**
 * What it takes that the flag server has a flags file's flags: flags, strategies, segments and dependencies that it lacks, and
 * what it has that the file has not. Flags that aren't in the file stay as they are, and so do holds. Changes nothing.
 *
 * @param killed backends that are held as a whole: their flags are off on the server until they are resumed.
 * @throws {CommandError} where the server can't be asked or refuses, or can't be given what the file has.
 */
export async function planForServer(
  admin: UnleashAdmin,
  text: string,
  killed: readonly string[],
): Promise<ServerPlan> {
  const { features, segments = [] } = JSON.parse(text) as FlagsFile;
  const wanted = features.filter(({ name }) => isOwnFlag(name));
  try {
    const environments = await admin.environments();
    if (!environments.includes(admin.environment)) {
      throw new Error(
        `the project has no environment "${admin.environment}" but ${environments.join(', ')}: set UNLEASH_ENVIRONMENT`,
      );
    }
    return await new ServerPlanning(admin, wanted, killed).plan(segments);
  } catch (error) {
    throw new CommandError(`Nothing was changed: ${(error as Error).message}.`);
  }
}

/**
 * @returns what was left as it is, for people.
 * @throws {CommandError} where the server can't be asked or refuses, with what was changed until then: nothing, or what.
 */
export async function takeSteps(steps: readonly ServerStep[]): Promise<string[]> {
  const done: string[] = [];
  const notes: string[] = [];
  try {
    for (const { what, take } of steps) {
      notes.push(...(await take()));
      done.push(what);
    }
    return notes;
  } catch (error) {
    const until =
      done.length === 0
        ? 'Nothing was changed'
        : `Only a part was changed (${done.join('; ')}), and the ledger has nothing of it; type the same again for the rest`;
    throw new CommandError(`${until}: ${(error as Error).message}.`);
  }
}

function isOwnFlag(name: unknown): boolean {
  return (
    typeof name === 'string' && (name === killSwitchFlag || name.startsWith(`${killSwitchFlag}.`))
  );
}

class ServerPlanning {
  readonly #admin: UnleashAdmin;
  readonly #wanted: readonly WantedFlag[];
  readonly #killed: readonly string[];
  readonly #steps: Record<Phase, ServerStep[]> = {
    add: [],
    addSegments: [],
    off: [],
    parents: [],
    strategies: [],
    loosen: [],
    on: [],
  };
  readonly #notes: string[] = [];
  /** The server's numbers by the file's; those of segments that are added come when they are. */
  readonly #segments = new Map<number, number>();

  constructor(admin: UnleashAdmin, wanted: readonly WantedFlag[], killed: readonly string[]) {
    this.#admin = admin;
    this.#wanted = wanted;
    this.#killed = killed.map(stageFlag);
  }

  /**
   * What is to be there comes first, flags before segments because a flag's name can be taken. Off comes before strategies and on
   * after them; a dependency that narrows comes before them and one that goes, which widens, after them.
   */
  async plan(segments: readonly Segment[]): Promise<ServerPlan> {
    await this.#addSegments(segments);
    for (const flag of this.#wanted) await this.#flag(flag);
    await this.#context();
    const { add, addSegments, off, parents, strategies, loosen, on } = this.#steps;
    return {
      steps: [
        ...add,
        ...addSegments,
        ...off,
        ...parents,
        ...strategies,
        ...loosen,
        ...on.toReversed(),
      ],
      notes: this.#notes,
    };
  }

  async #flag(wanted: WantedFlag): Promise<void> {
    const { name, type = 'release' } = wanted;
    const present = await this.#admin.flag(name);
    if (present === undefined) {
      this.#step('add', `${name} is added`, () =>
        this.#admin.addFlag(name, flagTypes.includes(type) ? type : 'release'),
      );
    }
    this.#turn(wanted, present);
    this.#giveStrategies(wanted, present);
    await this.#giveDependencies(wanted, present);
  }

  #turn({ name, enabled }: WantedFlag, present: ServerFlag | undefined): void {
    if (this.#killed.includes(name)) {
      const backend = name.slice(killSwitchFlag.length + 1);
      this.#notes.push(
        `${name} stays off: all of ${backend} is held. End it: changeover resume ${typedWord(backend)} --reason "..."`,
      );
      return;
    }
    if ((present?.enabled ?? false) === enabled) return;
    // A kill switch that wasn't there stopped nobody: it must not, for the time that the rest takes.
    const at = !enabled ? 'off' : present === undefined && name === killSwitchFlag ? 'add' : 'on';
    this.#step(at, `${name} is turned ${enabled ? 'on' : 'off'}`, () =>
      this.#admin.turn(name, enabled),
    );
  }

  #giveStrategies(
    { name, strategies: inFile = [] }: WantedFlag,
    present: ServerFlag | undefined,
  ): void {
    const asWritten = strategiesToWrite(name, inFile);
    // A number that the server doesn't have yet is like no other.
    const translated = (strategy: WantedStrategy): WantedStrategy => ({
      ...strategy,
      segments: (strategy.segments ?? []).map((id) => this.#segments.get(id) ?? Number.NaN),
    });
    const strategies = asWritten.map(translated);
    if (sameStrategies(name, strategies, present?.strategies ?? [])) return;
    this.#steps.strategies.push({
      what: `${name} has the file's strategies`,
      take: () =>
        this.#admin.replace(
          name,
          asWritten.map((one) => written(translated(one))),
        ),
    });
  }

  async #giveDependencies(
    { name, dependencies = [] }: WantedFlag,
    present: ServerFlag | undefined,
  ): Promise<void> {
    const there = present?.dependencies ?? [];
    for (const dependency of dependencies) {
      if (there.some((one) => sameDependency(dependency, one))) continue;
      const { feature } = dependency;
      if (
        !this.#wanted.some((flag) => flag.name === feature) &&
        (await this.#admin.flag(feature)) === undefined
      ) {
        throw new Error(
          `${name} depends on ${feature}, which is not on the server: add it there first`,
        );
      }
      this.#step('parents', `${name} depends on ${feature}`, () =>
        this.#admin.addDependency(name, dependency),
      );
    }
    for (const { feature } of there) {
      if (dependencies.some((one) => one.feature === feature)) continue;
      this.#step('loosen', `${name} no longer depends on ${feature}`, () =>
        this.#admin.removeDependency(name, feature),
      );
    }
  }

  async #context(): Promise<void> {
    const sticky = (await this.#admin.contextFields()).get('dataset');
    if (sticky === undefined) {
      this.#step('add', 'dataset is a context field, with custom stickiness', () =>
        this.#admin.addContextField('dataset'),
      );
    } else if (!sticky) {
      this.#notes.push(
        "The server's context field dataset has no custom stickiness, so its pages don't offer it: turn it on.",
      );
    }
  }

  async #addSegments(segments: readonly Segment[]): Promise<void> {
    const used = new Set(
      this.#wanted.flatMap(({ name, strategies = [] }) =>
        strategiesToWrite(name, strategies).flatMap(({ segments: ids = [] }) => ids),
      ),
    );
    const there = used.size === 0 ? [] : await this.#admin.segments();
    for (const segment of segments.filter(({ id }) => used.has(id))) {
      const { id, name, constraints = [] } = segment;
      if (name === undefined)
        throw new Error(
          `segment ${String(id)} has no "name", and numbers are others on each server: give it one`,
        );
      const same = there.find((one) => one.name === name);
      if (same === undefined) {
        this.#step('addSegments', `segment "${name}" is added`, async () => {
          this.#segments.set(id, await this.#admin.addSegment(segment));
        });
      } else if (sameConstraints(constraints, same.constraints ?? []))
        this.#segments.set(id, same.id);
      else {
        throw new Error(
          `segment "${name}" has other constraints on the server, where other flags may use it: give the file's segment ` +
            'another name, or make both the same',
        );
      }
    }
  }

  #step(at: Phase, what: string, take: () => Promise<void>): void {
    this.#steps[at].push({
      what,
      take: async () => {
        await take();
        return [];
      },
    });
  }
}

/** Without what is the server's to give. */
function written({
  name,
  title,
  parameters,
  constraints,
  segments,
  variants,
}: WantedStrategy): WantedStrategy {
  const texts = Object.entries(parameters ?? {}).map(
    ([key, value]) => [key, String(value)] as const,
  );
  return {
    name,
    title: title ?? undefined,
    parameters: Object.fromEntries(texts),
    constraints,
    segments,
    variants,
  };
}
