import type { RuleUseCount } from '../recorder/rule-uses.ts';
import type { EventRow, GroupRow, SampleRow } from '../recorder/store-rows.ts';

/** When a row was last counted in is in milliseconds since 1970, or where it is less than this, before the message. */
export const longestAgoMs = 100_000_000_000;

/** What decides on a step back. */
export interface Wrong {
  readonly failed: number;
  readonly mismatch: number;
}

export function wrongIn({ failed, mismatch }: Wrong): number {
  return failed + mismatch;
}

/** Without the zeros at the end, which readers know of. */
export function shortened(counts: readonly number[]): readonly number[] {
  return counts.slice(0, counts.findLastIndex((count) => count !== 0) + 1);
}

/** Takes rows until the bytes are used up, none twice under one field. */
export class Taken {
  readonly fields: Record<string, unknown[]> = {};
  bytes = 0;
  readonly #rows = new Map<string, Set<unknown>>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** @param most bytes in all, where that is less than what there is. */
  some<Row>(
    field: string,
    rows: Iterable<Row>,
    message: (row: Row) => unknown[],
    most?: number,
  ): Row[] {
    const taken: Row[] = [];
    const known = this.#rows.get(field) ?? new Set();
    this.#rows.set(field, known);
    for (const row of rows) {
      if (this.bytes >= Math.min(this.#most, most ?? Infinity)) break;
      if (known.has(row)) continue;
      known.add(row);
      const said = message(row);
      this.bytes += JSON.stringify(said).length + 1;
      (this.fields[field] ??= []).push(said);
      taken.push(row);
    }
    return taken;
  }
}

export function groupMessage(row: GroupRow): unknown[] {
  const { fingerprint, backend, operation, verdict, count, firstAt, lastAt, key, shape } = row;
  const counted = [fingerprint, backend, operation, verdict, row.class ?? null, count];
  return [...counted, firstAt, lastAt, key ?? null, shape ?? null];
}

export function ruleMessage({ backend, rule, uses, failures }: RuleUseCount): unknown[] {
  return [backend, rule, uses, failures];
}

export function eventMessage({ sequence, at, kind, fields }: EventRow): unknown[] {
  return [sequence, at, kind, fields];
}

export function sampleMessage(row: SampleRow): unknown[] {
  const { fingerprint, sequence, at, dataset, stage, summary, legacy, pooled, reason } = row;
  const values = [legacy ?? null, pooled ?? null, reason ?? null, row.call ?? null];
  return [fingerprint, sequence, at, dataset, stage, summary, ...values];
}
