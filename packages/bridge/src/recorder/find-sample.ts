import { ChangeoverError, nearestName } from '@changeover/core';
import type { RepeatableCall } from '../shadow/recent-calls.ts';
import { notReproducible } from '../shadow/reproduction.ts';
import type { Recorder } from './recorder.ts';
import type { SampleGroup } from './report-data.ts';
import { valueOfRaw } from './sampled-call.ts';

const fewestLetters = 3;
const mostNamed = 10;

/**
 * The comparisons that an id names.
 *
 * @param typed the id, or its beginning where no other begins so.
 * @throws {ChangeoverError} NO_SUCH_SAMPLE, with the ids that there are.
 */
export function sampleNamed(groups: readonly SampleGroup[], typed: string): SampleGroup {
  const meant = typed.trim().toLowerCase();
  const exact = groups.find(({ id }) => id === meant);
  if (exact !== undefined) return exact;
  const begin = meant.length < fewestLetters ? [] : groups.filter(({ id }) => id.startsWith(meant));
  const [only] = begin;
  if (only !== undefined && begin.length === 1) return only;
  throw noSuchSample(typed, groups, begin.length > 1);
}

/**
 * The comparisons that an id names among all that were recorded, by other programs too.
 *
 * @param backend of this backend alone; undefined: of any.
 * @throws {ChangeoverError} as {@link sampleNamed} does.
 */
export async function findSample(
  recorder: Recorder,
  typed: string,
  backend?: string,
): Promise<SampleGroup> {
  await recorder.refresh();
  const { sampleGroups } = recorder.summary();
  return sampleNamed(
    backend === undefined
      ? sampleGroups
      : sampleGroups.filter((group) => group.backend === backend),
    typed,
  );
}

function noSuchSample(
  typed: string,
  groups: readonly SampleGroup[],
  ambiguous: boolean,
): ChangeoverError {
  const mismatches = groups.filter(({ verdict }) => verdict === 'mismatch');
  const named = mismatches
    .slice(0, mostNamed)
    .map(({ id, class: kind = 'no class', operation, backend, key }) =>
      [id, kind, 'in', operation, 'on', backend, key]
        .filter((part) => part !== undefined)
        .join(' '),
    );
  const left = mismatches.length - named.length;
  const nearest = nearestName(
    typed,
    groups.map(({ id }) => id),
  );
  return new ChangeoverError(
    'NO_SUCH_SAMPLE',
    [
      ambiguous
        ? `Several mismatches have an id that begins with ${JSON.stringify(typed.slice(0, 80))}.`
        : `No mismatch has the id ${JSON.stringify(typed.slice(0, 80))}.`,
      ...(nearest === undefined ? [] : [`Did you mean ${nearest}?`]),
      named.length === 0
        ? 'There is none: no mismatch was recorded.'
        : `There ${named.length === 1 ? 'is' : 'are'}: ${named.join('; ')}${left > 0 ? `; and ${String(left)} more` : ''}.`,
    ].join(' '),
  );
}

/**
 * The stored call of a mismatch, to be made again.
 *
 * @throws {ChangeoverError} NOT_REPRODUCIBLE where it is a write, or where its values are not kept, with what to do.
 */
export function storedCall({ id, operation, shape, samples }: SampleGroup): RepeatableCall {
  const latest = samples.at(-1)?.call;
  if (latest?.kind === 'write') throw writeIsNotMade(operation);
  if (latest?.adapted === true)
    throw notReproducible(
      `Its call was made by an adapter, which is in the program alone. Ask the bridge there: await bridgeOf(object).reproduce('${id}')`,
    );
  const sample = samples.findLast(({ call }) => call?.values === 'raw');
  if (sample?.call !== undefined)
    return {
      operation,
      key: sample.dataset,
      shape: shape ?? '',
      args: sample.call.args.map(valueOfRaw),
    };
  const why =
    latest === undefined
      ? 'Its call was not kept'
      : latest.unkept === undefined
        ? "Its call's values were not kept"
        : `Its call's values were not kept, for ${latest.unkept}`;
  throw notReproducible(
    `${why}, so it can't be made again from here. Start the program with CHANGEOVER_SAMPLE_VALUES=raw (the option ` +
      `sampleValues: 'raw'), and the next mismatch like it is kept with its values. Or ask the bridge in the program that ` +
      `found it, which has the calls of its last mismatches in memory: await bridgeOf(object).reproduce('${id}')`,
  );
}

/** Why a write is not made again, with what to do. */
export function writeIsNotMade(operation: string): ChangeoverError {
  return notReproducible(
    `${operation} is a write, and a write is never made again. Look at what it left: read the same rows on both legs, or compare ` +
      'their data as a whole; to try the write itself, make it on a copy of the data.',
  );
}
