import { describe, expect, test } from '@jest/globals';
import {
  createMigration,
  init,
  integrations,
  type LDClient,
  LDMigrationStage,
  LDMigrationSuccess,
  LDSerialExecution,
  LDExecutionOrdering,
} from '@launchdarkly/node-server-sdk';
import { type Stage, stages } from '@changeover/core';
import { twoLegs } from '../test-kit/two-legs.ts';

type TheirStage = 'off' | 'dualwrite' | 'shadow' | 'live' | 'rampdown' | 'complete';

/** One stage of LaunchDarkly's migration flags. */
interface Theirs {
  /** Who is called for a read, in order, one after the other; the caller waits for both. */
  readonly read: readonly ('old' | 'new')[];
  readonly readAnswers: 'old' | 'new';
  /** The same for a write, where the first one answers, and the second is not called if it failed. */
  readonly write: readonly ('old' | 'new')[];
  /** The stage of ours that a migration on theirs would be on. */
  readonly ours: Stage;
  /** Why a read is not called in the same order; nothing where it is. */
  readonly readDiffers?: string;
  /** Why a write is not the same; nothing where it is. */
  readonly writeDiffers?: string;
}

const answersFirst = 'the leg that answers is called first, and nobody waits for the other';
const oneStore =
  'both legs work on one store, so a second write that stayed would be applied twice';
const rolledBack = `${oneStore}: the pooled leg's is rolled back or made on a temporary table, and compared`;

/** Their published stages beside ours. What is theirs is held to their own code below. */
const table: Readonly<Record<TheirStage, Theirs>> = {
  off: { read: ['old'], readAnswers: 'old', write: ['old'], ours: 'legacy' },
  dualwrite: {
    read: ['old'],
    readAnswers: 'old',
    write: ['old', 'new'],
    ours: 'legacy',
    writeDiffers: oneStore,
  },
  shadow: {
    read: ['old', 'new'],
    readAnswers: 'old',
    write: ['old', 'new'],
    ours: 'shadow',
    writeDiffers: rolledBack,
  },
  live: {
    read: ['old', 'new'],
    readAnswers: 'new',
    write: ['new', 'old'],
    ours: 'reverse',
    readDiffers: answersFirst,
    writeDiffers: oneStore,
  },
  rampdown: {
    read: ['new'],
    readAnswers: 'new',
    write: ['new', 'old'],
    ours: 'pooled',
    writeDiffers: oneStore,
  },
  complete: { read: ['new'], readAnswers: 'new', write: ['new'], ours: 'pooled' },
};
const theirStages = Object.keys(table) as TheirStage[];
const legOf = { old: 'legacy', new: 'pooled' } as const;

/** What their code does at a stage, one leg after the other. */
async function runTheirs(
  stage: TheirStage,
): Promise<{ read: string[]; write: string[]; readAnswer: unknown; writeAnswer: unknown }> {
  const client = await openClient(stage);
  try {
    const calls: string[] = [];
    const call = (side: 'old' | 'new') => () => {
      calls.push(side);
      return Promise.resolve(LDMigrationSuccess(side));
    };
    const migration = createMigration<string, string>(client, {
      readOld: call('old'),
      readNew: call('new'),
      writeOld: call('old'),
      writeNew: call('new'),
      execution: new LDSerialExecution(LDExecutionOrdering.Fixed),
      latencyTracking: false,
      errorTracking: false,
    });
    const context = { kind: 'dataset', key: 'titanic' };
    const read = await migration.read('migration', context, LDMigrationStage.Off);
    const readCalls = calls.splice(0);
    const write = await migration.write('migration', context, LDMigrationStage.Off);
    return {
      read: readCalls,
      write: calls,
      readAnswer: read.success ? read.result : undefined,
      writeAnswer: write.authoritative.success ? write.authoritative.result : undefined,
    };
  } finally {
    client.close();
  }
}

async function openClient(stage: TheirStage): Promise<LDClient> {
  const data = new integrations.TestData();
  await data.update(data.flag('migration').valueForAll(stage));
  const silent = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const client = init('test', {
    updateProcessor: data.getFactory(),
    sendEvents: false,
    logger: silent,
    diagnosticOptOut: true,
  });
  await client.waitForInitialization({ timeout: 5 });
  return client;
}

/** What this router does at the stage that is the same, with reads and writes that it compares. */
async function runOurs(
  stage: Stage,
): Promise<{ read: string[]; write: string[]; readAnswer: unknown }> {
  const { api, legacy, pooled, log, router } = twoLegs(stage);
  legacy.answer = 'legacy';
  pooled.answer = 'pooled';
  const readAnswer = await api.read('d');
  await router.idle();
  const read = [...new Set(log.splice(0).map((line) => line.split(' ')[0] ?? ''))];
  await api.add('d', 'x');
  await router.idle();
  return { read, write: log.map((line) => line.split(' ')[0] ?? ''), readAnswer };
}

describe.each(theirStages)("LaunchDarkly's stage %s", (stage) => {
  const theirs = table[stage];

  test('is in the table as their own code has it', async () => {
    const ran = await runTheirs(stage);
    expect({ read: ran.read, readAnswer: ran.readAnswer }).toEqual({
      read: theirs.read,
      readAnswer: theirs.readAnswers,
    });
    expect({ write: ran.write, writeAnswer: ran.writeAnswer }).toEqual({
      write: theirs.write,
      writeAnswer: theirs.write[0],
    });
  });

  test('is one of ours, with reads on the same legs and answered by the same one', async () => {
    const { read, readAnswer } = await runOurs(theirs.ours);
    const same = theirs.read.map((side) => legOf[side]);
    expect({ read: [...read].sort(), readAnswer }).toEqual({
      read: [...same].sort(),
      readAnswer: legOf[theirs.readAnswers],
    });
    expect(read[0]).toBe(readAnswer);
    expect(read[0] === same[0]).toBe(theirs.readDiffers === undefined);
  });

  test('has writes answered by the same leg, and differs from ours exactly where the table says why', async () => {
    const { write } = await runOurs(theirs.ours);
    const same = theirs.write.map((side) => legOf[side]);
    // A write that stays is made by one leg alone, whatever the stage.
    expect(write).toEqual(same.slice(0, 1));
    expect(write.length === same.length).toBe(theirs.writeDiffers === undefined);
  });
});

test('every stage of ours stands beside one of theirs, in their order', () => {
  const ours = theirStages.map((stage) => stages.indexOf(table[stage].ours));
  expect(ours).toEqual([...ours].sort((a, b) => a - b));
  expect(new Set(theirStages.map((stage) => table[stage].ours))).toEqual(new Set(stages));
});
