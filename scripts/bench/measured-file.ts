import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Figure } from './figure.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Verdict, verdicts } from './verdict.ts';

/** When, where and of what a run was made. */
export interface Run {
  /** The day, UTC: `2026-01-31`. */
  readonly date: string;
  /** The commit's short name, `+changes` behind it where files differed from it; `unknown` outside of a repository. */
  readonly commit: string;
  /** Whether rounds were few and short, so that figures show that everything works and no more. */
  readonly quick: boolean;
  readonly tookMinutes: number;
  readonly machine: Machine;
}

/** One benchmark's figures as documents have them: plots are the page's. */
export interface MeasuredCase {
  readonly name: string;
  readonly title: string;
  readonly tookSeconds: number;
  readonly figures: readonly Figure[];
}

/** What a run wrote, and what documents are made from: `docs/benchmarks.json`. */
export interface MeasuredFile {
  readonly run: Run;
  readonly cases: readonly MeasuredCase[];
}

/** Describes the run that now begins; how long it takes is known at its end. */
export function beginRun(quick: boolean): Omit<Run, 'tookMinutes'> {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commitName(),
    quick,
    machine: describeMachine(),
  };
}

function commitName(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, {
        cwd: import.meta.dirname,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short=10', 'HEAD')}${changed ? '+changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

/** As text, with no more digits than figures are worth, and each figure's interval in a line. */
export function measuredText(file: MeasuredFile): string {
  const rounded = JSON.stringify(
    file,
    (_key, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value,
    2,
  );
  return `${rounded.replaceAll(/\[\s+(-?[\d.e+-]+|null),\s+(-?[\d.e+-]+|null)\s+\]/g, '[$1, $2]')}\n`;
}

/** @throws {TypeError} for a file that {@link measuredText} didn't write: it names the first figure that is none. */
export function readMeasured(path: string): MeasuredFile {
  const file = JSON.parse(readFileSync(path, 'utf8')) as Partial<MeasuredFile>;
  if (file.run === undefined || !Array.isArray(file.cases))
    throw new TypeError(
      `${path} has no run and cases: make it anew by npm run bench -- --write-docs`,
    );
  for (const { name, figures } of file.cases as MeasuredCase[]) {
    for (const figure of figures) {
      if (!isFigure(figure))
        throw new TypeError(`${path}: ${name} has a figure without key, interval or verdict`);
    }
  }
  return file as MeasuredFile;
}

function isFigure({ key, figure, interval, verdict }: Partial<Figure>): boolean {
  return (
    typeof key === 'string' &&
    typeof figure === 'number' &&
    Array.isArray(interval) &&
    verdicts.includes(verdict as Verdict)
  );
}

/** How many figures have each verdict. */
export function countVerdicts(figures: readonly Figure[]): Readonly<Record<Verdict, number>> {
  const counts = { held: 0, "can't tell": 0, missed: 0 };
  for (const { verdict } of figures) counts[verdict] += 1;
  return counts;
}
