import { type Stage, stages } from '@changeover/core';
import type { Decision } from '@changeover/bridge';

/** What a reader has to do with a key, the most urgent first. */
export const keyProblems = [
  'mismatch',
  'held',
  'gate fails',
  'errors',
  'slow',
  'backend waits',
  'too little seen',
  'may step',
  'no step yet',
] as const;

/** One of {@link keyProblems}. */
export type KeyProblem = (typeof keyProblems)[number];

/** The first so many need a person; the others need time, or nothing. */
const needPerson = 5;

/** One key in a list of all. */
export interface KeyLine {
  readonly backend: string;
  readonly key: string;
  readonly stage: Stage;
  readonly problem: KeyProblem;
  /** What the gates say of its next step; undefined where nothing stands before it. */
  readonly decision: Decision | undefined;
  /** One sentence; empty where there is nothing to say. */
  readonly why: string;
  readonly calls: number;
  readonly failed: number;
  readonly compared: number;
  readonly mismatch: number;
  /** Milliseconds since 1970 of its last call; undefined where that is not known. */
  readonly lastSeen: number | undefined;
}

/** Columns that a list of keys can be sorted by; `problem` has the most urgent first. */
export const keySorts = [
  'problem',
  'key',
  'stage',
  'calls',
  'failed',
  'mismatches',
  'last seen',
] as const;

/** One of {@link keySorts}. */
export type KeySort = (typeof keySorts)[number];

export function needsPerson(problem: KeyProblem): boolean {
  return keyProblems.indexOf(problem) < needPerson;
}

/** Ties are in the order of names, so that a list that is read again is in the same order. */
export function sortedKeys(lines: readonly KeyLine[], sort: KeySort): KeyLine[] {
  const order = comparisons[sort];
  return [...lines].sort((a, b) => order(a, b) || byName(a, b));
}

const comparisons: Readonly<Record<KeySort, (a: KeyLine, b: KeyLine) => number>> = {
  problem: (a, b) =>
    keyProblems.indexOf(a.problem) - keyProblems.indexOf(b.problem) ||
    b.mismatch - a.mismatch ||
    b.failed - a.failed,
  key: (a, b) => compareText(a.key, b.key),
  // The furthest first: there the pooled leg answers.
  stage: (a, b) => stages.indexOf(b.stage) - stages.indexOf(a.stage),
  calls: (a, b) => b.calls - a.calls,
  failed: (a, b) => b.failed - a.failed,
  mismatches: (a, b) => b.mismatch - a.mismatch,
  'last seen': (a, b) => (b.lastSeen ?? 0) - (a.lastSeen ?? 0),
};

function byName(a: KeyLine, b: KeyLine): number {
  return compareText(a.key, b.key) || compareText(a.backend, b.backend);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The lines that have every word somewhere in name, backend, stage or problem, whatever its case. */
export function filteredKeys(lines: readonly KeyLine[], filter: string): readonly KeyLine[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return lines;
  return lines.filter(({ backend, key, stage, problem }) => {
    const text = `${backend}/${key} ${stage} ${problem}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
