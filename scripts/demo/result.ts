import type { Decision } from '@changeover/bridge';
import type { Engine, Stage } from 'changeover';

/** One line of the result: what happened on one engine at one stage. Latencies are undefined where no call was measured. */
export interface StageLine {
  readonly engine: Engine;
  readonly stage: Stage;
  readonly calls: number;
  readonly failed: number;
  readonly compared: number;
  readonly match: number;
  readonly mismatch: number;
  readonly raced: number;
  readonly nondeterministic: number;
  readonly inconclusive: number;
  readonly shed: number;
  readonly legacyP50Ms: number | null;
  readonly legacyP99Ms: number | null;
  readonly pooledP50Ms: number | null;
  readonly pooledP99Ms: number | null;
}

/** A table read by the bare driver at the end, against what its source or its callers say. */
export interface DataCheck {
  readonly engine: Engine;
  readonly dataset: string;
  readonly table: string;
  readonly rows: number;
  readonly expectedRows: number;
  readonly digest: string;
  readonly expectedDigest: string;
  readonly ok: boolean;
}

/** What became of one planted defect on one engine. */
export interface DefectCheck {
  readonly engine: Engine;
  readonly dataset: string;
  readonly planted: string;
  readonly expectedClass: string;
  readonly foundClasses: readonly string[];
  readonly rolledBack: boolean;
  readonly ok: boolean;
}

/** What the main job came to. */
export interface DemoResult {
  readonly ok: boolean;
  /** Each check that did not hold, in words. */
  readonly problems: readonly string[];
  /** What the gates come to, as the report, the console and `changeover gate` say it. */
  readonly verdict: { readonly decision: Decision; readonly reason: string };
  readonly stages: readonly StageLine[];
  readonly data: readonly DataCheck[];
  readonly defects: readonly DefectCheck[];
  readonly rollback: {
    readonly engine: Engine;
    readonly callsAfter: number;
    readonly failed: number;
  };
  readonly datasets: readonly {
    readonly name: string;
    readonly rows: number;
    readonly origin: string;
    readonly terms: string;
  }[];
  readonly reports: { readonly json: string; readonly html: string };
  readonly seconds: number;
  readonly seed: number;
}

/** The stages as a table for people. */
export function stageTable(lines: readonly StageLine[]): string {
  const header = [
    'engine',
    'stage',
    'calls',
    'failed',
    'compared',
    'mismatch',
    'raced',
    'nondet.',
    'inconcl.',
    'shed',
    'legacy p50',
    'p99',
    'pooled p50',
    'p99 ms',
  ];
  const ms = (value: number | null): string =>
    value === null ? '–' : value < 10 ? value.toFixed(2) : value.toFixed(0);
  const rows = lines.map((line) =>
    [
      line.engine,
      line.stage,
      line.calls,
      line.failed,
      line.compared,
      line.mismatch,
      line.raced,
      line.nondeterministic,
      line.inconclusive,
      line.shed,
      ms(line.legacyP50Ms),
      ms(line.legacyP99Ms),
      ms(line.pooledP50Ms),
      ms(line.pooledP99Ms),
    ].map(String),
  );
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const text = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [
    text(header),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.map(text),
  ].join('\n');
}
