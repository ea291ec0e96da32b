import type { GroupRow, SampleRow } from './store-rows.ts';
import type { ComparisonSample } from './recorder.ts';
import { sampleId } from './sample-id.ts';

/** How much of the samples is kept. */
export interface SampleLimits {
  readonly maxSamplesPerFingerprint: number;
  readonly maxFingerprints: number;
}

/** A value whose JSON is longer than this is left out of its sample. */
const maxValueLength = 16_384;
const maxTextLength = 2_000;
/** Samples that wait for the store take no more than this, in characters; those beyond are counted only. */
const maxWaitingLength = 8 * 1024 * 1024;

type MutableGroup = { -readonly [Field in keyof GroupRow]: GroupRow[Field] } & {
  kept: number;
  changed: boolean;
};

/** The samples of this process: counted by fingerprint, a few of each kept until they are stored. */
export class SampleBook {
  readonly #limits: SampleLimits;
  readonly #groups = new Map<string, MutableGroup>();
  #waiting: SampleRow[] = [];
  #waitingLength = 0;
  #overLimit = 0;

  constructor(limits: SampleLimits) {
    this.#limits = limits;
  }

  /** Comparisons whose fingerprint came after the limit of fingerprints was reached. */
  get overLimit(): number {
    return this.#overLimit;
  }

  add(sample: ComparisonSample): void {
    const group = this.#group(sample);
    if (group === undefined) {
      this.#overLimit += 1;
      return;
    }
    group.count += 1;
    group.firstAt = Math.min(group.firstAt, sample.at);
    group.lastAt = Math.max(group.lastAt, sample.at);
    group.changed = true;
    if (group.kept >= this.#limits.maxSamplesPerFingerprint) return;
    const row = sampleRow(sample, group.fingerprint, group.kept);
    const length = lengthOf(row);
    if (this.#waitingLength + length > maxWaitingLength) return;
    group.kept += 1;
    this.#waiting.push(row);
    this.#waitingLength += length;
  }

  /** All groups of this process, stored or not. */
  groups(): GroupRow[] {
    return [...this.#groups.values()].map(({ kept: _kept, changed: _changed, ...row }) => row);
  }

  /** What the store doesn't have yet, at most `limit` of each. */
  unstored(limit: number): {
    readonly groups: readonly GroupRow[];
    readonly samples: readonly SampleRow[];
  } {
    return {
      groups: [...this.#groups.values()].filter(({ changed }) => changed).slice(0, limit),
      samples: this.#waiting.slice(0, limit),
    };
  }

  /** Goes on as another process: so many of each fingerprint, and over the limit, are no longer this one's. */
  beginAnew(had: ReadonlyMap<string, number>, overLimit: number): void {
    this.#overLimit -= overLimit;
    for (const group of this.#groups.values()) {
      group.count -= had.get(group.fingerprint) ?? 0;
      group.changed = true;
    }
  }

  /** To be called in the same tick as {@link unstored}, once its rows are stored. */
  markStored(groups: readonly GroupRow[], samples: readonly SampleRow[]): void {
    for (const { fingerprint } of groups) {
      const group = this.#groups.get(fingerprint);
      if (group !== undefined) group.changed = false;
    }
    this.#waiting = this.#waiting.slice(samples.length);
    for (const row of samples) this.#waitingLength -= lengthOf(row);
  }

  #group(sample: ComparisonSample): MutableGroup | undefined {
    const { dataset: key, shape = '', verdict } = sample;
    const { maxFingerprints } = this.#limits;
    // Only what somebody has to act on is told apart by key and shape: races on thousands of keys would take all the room. Mismatches have
    // half of it for themselves, and more where all are told together.
    switch (verdict) {
      case 'mismatch':
        return (
          this.#groupOf(sample, { key, shape }, maxFingerprints) ??
          this.#groupOf(sample, {}, 2 * maxFingerprints)
        );
      case 'inconclusive':
        return (
          this.#groupOf(sample, { key, shape }, maxFingerprints / 2) ??
          this.#groupOf(sample, {}, maxFingerprints)
        );
      default:
        return this.#groupOf(sample, {}, maxFingerprints);
    }
  }

  /** The group of what is alike; undefined where it would be one too many. */
  #groupOf(
    { backend, operation, verdict, class: kind, at }: ComparisonSample,
    { key, shape }: Pick<GroupRow, 'key' | 'shape'>,
    mostGroups: number,
  ): MutableGroup | undefined {
    const alike = { backend, verdict, operation, class: kind, key, shape };
    const fingerprint = sampleId(alike);
    const found = this.#groups.get(fingerprint);
    if (found !== undefined || this.#groups.size >= mostGroups) return found;
    const group: MutableGroup = {
      ...alike,
      fingerprint,
      count: 0,
      firstAt: at,
      lastAt: at,
      kept: 0,
      changed: true,
    };
    this.#groups.set(fingerprint, group);
    return group;
  }
}

function sampleRow(sample: ComparisonSample, fingerprint: string, sequence: number): SampleRow {
  const { at, dataset, stage, summary, reason } = sample;
  return {
    fingerprint,
    sequence,
    at,
    dataset,
    stage,
    summary: cut(summary),
    legacy: valueText(sample.legacy),
    pooled: valueText(sample.pooled),
    call: sample.call === undefined ? undefined : valueText(sample.call),
    reason: reason === undefined ? undefined : cut(reason),
  };
}

/** The value's JSON, or a JSON text that says why it is missing; undefined where there is no value. */
function valueText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) return undefined;
    if (text.length <= maxValueLength) return text;
    return leftOut(
      `${String(text.length)} characters of JSON are more than ${String(maxValueLength)}`,
    );
  } catch {
    return leftOut('it is not JSON-able');
  }
}

/** The JSON text that stands for a value that isn't kept. */
export function leftOut(why: string): string {
  return JSON.stringify({ leftOut: why });
}

function cut(text: string): string {
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength - 3)}...` : text;
}

/** What a sample takes in memory, in characters. */
export function lengthOf({ summary, legacy, pooled, reason, call }: SampleRow): number {
  const texts = [summary, legacy, pooled, reason, call];
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 200);
}
