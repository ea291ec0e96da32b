import { createRequire } from 'node:module';
import {
  integrations,
  init,
  LDConcurrentExecution,
  createMigration,
  LDMigrationStage,
  LDMigrationSuccess,
} from '@launchdarkly/node-server-sdk';
import { experimentAsync } from 'tzientist';
import { type Figure, figureOf } from './figure.ts';
import { type Side, timeText, type Timings } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';

/** The npm package `scientist` has no types; this is what is used of it. */
interface Scientist {
  sample(sampler: (name: string) => boolean): void;
  science(
    name: string,
    setup: (experiment: { use(control: Side): void; try(candidate: Side): void }) => void,
  ): unknown;
}

const names = ['launchDarkly', 'scientist', 'tzientist'] as const;
type Peer = (typeof names)[number];

/** What else stands between a caller and two implementations, each with only the old one called. */
export interface Peers {
  readonly sides: Readonly<Record<Peer, Side>>;
  close(): void;
}

export async function openPeers(call: () => Promise<unknown>): Promise<Peers> {
  const launchDarkly = await openLaunchDarkly(call);
  const scientist = new (createRequire(import.meta.url)('scientist') as new () => Scientist)();
  scientist.sample(() => false);
  const tzientist = experimentAsync({
    name: 'read',
    control: call,
    candidate: call,
    options: { enabled: () => false },
  });
  return {
    sides: {
      launchDarkly: () => launchDarkly.read('migration'),
      scientist: () =>
        scientist.science('read', (experiment) => {
          experiment.use(call);
          experiment.try(call);
        }),
      tzientist: () => tzientist(),
    },
    close: () => {
      launchDarkly.close();
    },
  };
}

/** What is measured beside these peers, and what it is called in the figures. */
export interface MeasuredBridge {
  /** `createBridge`. */
  readonly name: string;
  /** What takes the time of `direct`. */
  readonly inside: string;
  /** The most that it may add of what LaunchDarkly adds. */
  readonly ofLaunchDarkly: number;
}

/** What a stage adds to an awaited call that is timed as `direct`, and how much that is of what LaunchDarkly adds. */
export function addedFigures(
  stage: 'legacy' | 'pooled',
  timings: Timings<'direct' | 'legacy' | 'pooled' | Peer>,
  { name, inside, ofLaunchDarkly }: MeasuredBridge,
): Figure[] {
  const added = timings.addedMicros(stage, 'direct');
  const theirs = timings.addedMicros('launchDarkly', 'direct');
  return [
    figureOf({
      key: stage,
      name: `${name} adds to an awaited call at ${stage}`,
      unit: 'µs',
      rounds: added,
      target: atMost(0.4),
      beside: `${inside} itself takes ${timeText(timings.medianMs('direct'))}; ${peersText(timings)}`,
    }),
    figureOf({
      key: `${stage}-launchdarkly`,
      name: `of what LaunchDarkly adds, at ${stage}`,
      unit: '×',
      rounds: added.map((micros, round) => micros / (theirs[round] ?? NaN)),
      target: atMost(ofLaunchDarkly),
    }),
  ];
}

/** What each adds to a call that is timed as `direct`. */
function peersText(timings: Pick<Timings<Peer | 'direct'>, 'addedMicros'>): string {
  return names
    .map(
      (peer) =>
        `${peer} adds ${timeText(quantile(timings.addedMicros(peer, 'direct'), 0.5) / 1_000)}`,
    )
    .join(', ');
}

/** A migration of LaunchDarkly's, offline, whose flag says `off`: its old side answers. */
async function openLaunchDarkly(call: () => Promise<unknown>): Promise<{
  read(flag: string): Promise<unknown>;
  close(): void;
}> {
  const data = new integrations.TestData();
  await data.update(data.flag('migration').valueForAll('off'));
  const silent = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const client = init('bench', {
    updateProcessor: data.getFactory(),
    sendEvents: false,
    logger: silent,
  });
  await client.waitForInitialization({ timeout: 5 });
  const read = async () => LDMigrationSuccess(await call());
  const migration = createMigration<unknown, boolean>(client, {
    readOld: read,
    readNew: read,
    writeOld: async () => LDMigrationSuccess(true),
    writeNew: async () => LDMigrationSuccess(true),
    execution: new LDConcurrentExecution(),
    latencyTracking: false,
    errorTracking: false,
  });
  const user = { kind: 'dataset', key: 'titanic' };
  return {
    async read(flag) {
      const answer = await migration.read(flag, user, LDMigrationStage.Off);
      if (!answer.success) throw new Error("LaunchDarkly's read failed");
      return answer.result;
    },
    close: () => {
      client.close();
    },
  };
}
