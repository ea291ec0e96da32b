import { type Clock, systemClock } from '@changeover/core';
import { FleetDatabase } from '../fleet/fleet-database.ts';
import { silentLogger } from '../log.ts';
import { HourBook } from './hour-book.ts';
import { readStoreInSteps, readStoreNames } from './read-sqlite-store.ts';
import { ReportBuilder } from './report-builder.ts';
import type { ReportData, ResumedAt } from './report-data.ts';
import { isSharedStore } from './shared-store.ts';
import { inOneGo, inTurns, type Steps } from '../steps.ts';
import { addStoredNames } from './stored-names.ts';
import { addStoredInSteps } from './stored-tables.ts';

/** How many samples of one fingerprint are kept, and shown. */
export const defaultMaxSamples = 20;

/**
 * What all processes have stored.
 *
 * @param resumedAt what was counted of a dataset before is told apart, in `judged`. Default: nothing is.
 * @param hours what was counted is added to it by the hour. Default: one of its own.
 * @throws {Error} where the file is missing, is no comparison store, or can't be read.
 */
export function readRecordings(
  path: string,
  clock: Clock = systemClock,
  resumedAt?: ResumedAt,
  hours: HourBook = new HourBook(clock.wallMs()),
): ReportData {
  return inOneGo(recordingsInSteps(path, clock, resumedAt, hours));
}

/** The same in steps, of the state at the first one: see {@link inTurns}. */
export function* recordingsInSteps(
  path: string,
  clock: Clock,
  resumedAt: ResumedAt | undefined,
  hours: HourBook,
): Steps<ReportData> {
  if (isSharedStore(path)) {
    throw new Error(
      'A store in a database is read by readSharedRecordings(url), which answers by a promise.',
    );
  }
  const builder = new ReportBuilder(defaultMaxSamples, { resumedAt, hours });
  yield* readStoreInSteps(path, builder);
  return yield* builder.buildInSteps(clock.wallMs());
}

/**
 * What all processes have stored in a shared store, that live or lived.
 *
 * @param url a `postgres://` URL.
 * @param resumedAt what was counted of a dataset before is told apart, in `judged`. Default: nothing is.
 * @param hours what was counted is added to it by the hour. Default: one of its own.
 * @throws the driver's error where the store can't be reached; an error with the code `DRIVER_MISSING` where `pg` is not installed.
 */
export async function readSharedRecordings(
  url: string,
  clock: Clock = systemClock,
  resumedAt?: ResumedAt,
  hours: HourBook = new HourBook(clock.wallMs()),
): Promise<ReportData> {
  const database = new FleetDatabase(url, silentLogger);
  try {
    const builder = new ReportBuilder(defaultMaxSamples, { resumedAt, hours });
    const tables = await database.readAll();
    const minutes = await database.readMinutes(hours.minutes.firstMinute);
    const all = { ...tables, minutes: () => minutes };
    await inTurns(systemClock, addStoredInSteps(builder, all, undefined));
    return await inTurns(systemClock, builder.buildInSteps(clock.wallMs()));
  } finally {
    await database.close();
  }
}

/**
 * The counts of a shared store alone, and the mismatches that were kept: no latencies, shapes, or what was counted when. For a page that
 * shows what is wrong while all is being read.
 *
 * @throws as {@link readSharedRecordings}.
 */
export async function readSharedCounts(
  url: string,
  clock: Clock = systemClock,
  resumedAt?: ResumedAt,
): Promise<ReportData> {
  const database = new FleetDatabase(url, silentLogger);
  try {
    const builder = new ReportBuilder(defaultMaxSamples, { resumedAt });
    await inTurns(systemClock, addStoredInSteps(builder, await database.readCounts(), undefined));
    return await inTurns(systemClock, builder.buildInSteps(clock.wallMs()));
  } finally {
    await database.close();
  }
}

/**
 * Who was called, in which processes, with no count of it: for a step back, which must not wait until all that a large store has is added up.
 *
 * @param place a store's file, or a `postgres://` URL.
 * @throws as {@link readRecordings} and {@link readSharedRecordings}.
 */
export async function readNames(place: string, clock: Clock = systemClock): Promise<ReportData> {
  const builder = new ReportBuilder(defaultMaxSamples);
  if (isSharedStore(place)) {
    const database = new FleetDatabase(place, silentLogger);
    try {
      addStoredNames(builder, await database.readNames());
    } finally {
      await database.close();
    }
  } else {
    readStoreNames(place, builder);
  }
  return builder.build(clock.wallMs());
}
