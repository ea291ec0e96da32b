import { countNames, noCounts, type Counts } from '../recorder/counts.ts';
import { noShapeTotals, shapeCountNames } from '../recorder/cell.ts';
import { shedReasons } from '../recorder/shed-reason.ts';
import type { FoldedRows } from './fleet-outbox.ts';

/** The window of one key in one process, or in several of them: what the guardrail judges by. */
export interface WindowFigures {
  /** Of how many processes it is the sum. Left out for one. */
  readonly n?: number;
  /** Calls that the pooled leg answered within the window, and how many of them failed. */
  readonly c: number;
  readonly f: number;
  /** Calls that the legacy leg answered since the process began, and how many of them failed. */
  readonly k: number;
  readonly g: number;
  /** Confirmed mismatches within their window. */
  readonly m: number;
  /** By operation: calls timed on the pooled leg within the window and their median of means in ms, calls timed on the legacy
   * leg and their time in ms. */
  readonly o: Readonly<Record<string, readonly [number, number, number, number]>>;
}

/** The windows of one key in other processes: their sum, where there are any. */
export type OtherWindows = readonly [
  backend: string,
  dataset: string,
  figures: readonly WindowFigures[],
];

/** What a process says to `exchange_1`, in few bytes. */
export interface Message {
  /** Who writes. */
  readonly w?: string;
  /** When, by its clock, and its samples over the limit: with rows, and as a heartbeat. */
  readonly t?: number;
  readonly o?: number;
  /** The first hour of which its rows may still change, since 1970: those before are final. With `t`. */
  readonly p?: number;
  /** Its number: of this process, each has a higher one. With `t`. */
  readonly j?: number;
  /** Run, host, pid, Node and start: until the store has it. */
  readonly i?: readonly unknown[];
  /** In how many seconds of silence a process is taken for ended: asks whether there is one. */
  readonly d?: number;
  /** This is its last message. */
  readonly q?: 1;
  /** Windows of its own, and those of which the others' are asked, with how many seconds they may be old. */
  readonly v?: readonly (readonly [string, string, WindowFigures])[];
  readonly a?: readonly (readonly [string, string, number])[];
  /** Calls that are wanted again: those it has heard of, would make, and has made. */
  readonly b?: {
    readonly s?: readonly number[];
    readonly k?: readonly number[];
    readonly z?: readonly (readonly [sequence: number, answer: string])[];
  };
  /** The ledger's transactions are known up to here, and these of its lines beyond. */
  readonly x?: string;
  readonly n?: readonly number[];
}

/** A line of the ledger in an answer. */
export type LedgerTuple = readonly [
  tx: string,
  sequence: number,
  at: number,
  backend: string,
  dataset: string,
  from: string,
  to: string,
  held: boolean,
  who: string,
  reason: string,
  revision: string,
];

/** A request in an answer. */
export type RepeatTuple = readonly [
  sequence: number,
  backend: string,
  id: string,
  call: string | null,
  timeoutMs: number,
];

/** What a process hears. */
export interface Answer {
  /** Its rows were folded, and nothing of the message was taken: what was folded. */
  readonly f?: {
    readonly c: readonly (readonly [
      part: number,
      counts: readonly number[],
      shed: Readonly<Record<string, number>> | null,
    ])[];
    readonly s: readonly (readonly [part: number, counts: readonly number[]])[];
    readonly g: readonly (readonly [fingerprint: string, count: number])[];
    readonly r: readonly (readonly [
      backend: string,
      rule: string,
      uses: number,
      failures: number,
    ])[];
    readonly o: number | null;
  };
  readonly v?: readonly OtherWindows[];
  /** Somebody is to be folded. */
  readonly d?: boolean;
  /** Calls that are wanted again, and of those that it would make, which are its to make. */
  readonly b?: readonly RepeatTuple[];
  readonly k?: readonly number[];
  readonly x?: string;
  readonly l?: readonly LedgerTuple[] | null;
}

/** By name what the answer has as lists. */
export function foldedRowsOf({ c, s, g, r, o }: NonNullable<Answer['f']>): FoldedRows {
  return {
    cells: new Map(c.map(([part, counts, shed]) => [part, countsOf(counts, shed)])),
    shapes: new Map(
      s.map(([part, counts]) => {
        const totals = noShapeTotals();
        for (const [at, name] of shapeCountNames.entries()) totals[name] = counts[at] ?? 0;
        return [part, totals];
      }),
    ),
    groups: new Map(g),
    rules: r.map(([backend, rule, uses, failures]) => ({ backend, rule, uses, failures })),
    samplesOverLimit: o ?? 0,
  };
}

function countsOf(list: readonly number[], shed: Readonly<Record<string, number>> | null): Counts {
  const counts = noCounts();
  for (const [at, name] of countNames.entries()) counts[name] = list[at] ?? 0;
  for (const reason of shedReasons) counts.shed[reason] = shed?.[reason] ?? 0;
  return counts;
}
