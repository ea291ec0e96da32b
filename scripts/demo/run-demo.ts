import { targetText } from '@changeover/core';
import { reportVerdict } from '@changeover/operate/report';
import { mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  createLogger,
  type Engine,
  engines,
  type Logger,
  type ReportData,
  type Stage,
  stages,
  StorageBackend,
  type StoreLocation,
} from 'changeover';
import { startPostgres } from '../embedded-postgres.ts';
import { loadInBatches } from './call-sites.ts';
import { type RealDataset, realDatasets } from './datasets.ts';
import { plantedDefects, withDefects } from './defects.ts';
import { writeFlags } from './flags-file.ts';
import { writeGates } from './gates-file.ts';
import type { DemoOptions } from './options.ts';
import type { Progress } from './progress.ts';
import { readStored, referenceOf, type TableReference } from './reference.ts';
import { writePlaceFile } from './place-file.ts';
import { demoReport, writeReports } from './reports.ts';
import { comparedGate, defectGate, shortened, type StageGate } from './stage-gate.ts';
import type { DataCheck, DefectCheck, DemoResult, StageLine } from './result.ts';
import { activityColumns, Caller } from './workload.ts';

/** The engine that goes back to `legacy` under load at the end. */
const rolledBackEngine: Engine = 'postgresql';
/** A caller pauses up to this long between two calls, in ms, as code with something else to do does. Ten of them then
 * leave the legacy singleton of their engine a moment of quiet, in which a difference can be confirmed. */
const longestPauseMs: Readonly<Record<Engine, number>> = {
  sqlite: 60,
  duckdb: 1_500,
  postgresql: 800,
};
/** The next stage waits until this one showed what it is for, and nothing goes on after this long: every caller stays where it is.
 * DuckDB's callers make a call a second, of which every seventh meets a planted defect. */
const longestGateSeconds = 300;
/** Asking reads all that was recorded. */
const gateIntervalMs = 1_000;

interface Loaded {
  readonly dataset: RealDataset;
  readonly reference: TableReference;
}

/** The whole main job. Stops at the next call when the signal is aborted; what it started is ended in any case. */
export async function runDemo(
  options: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<DemoResult> {
  const startedMs = performance.now();
  const out = resolve(options.out);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const given = process.env['DATABASE_URL'];
  const postgres = given === undefined || given === '' ? await startPostgres() : undefined;
  const location: StoreLocation = {
    basePath: join(out, 'datasets'),
    databaseUrl: postgres?.url ?? given,
  };
  const flagsFile = join(out, 'flags.json');
  writeFlags(flagsFile, all('legacy'));
  writeGates(join(out, 'gates.json'));
  StorageBackend.configure({
    ...location,
    flagsFile,
    // All datasets of an engine move at once here, when the job's own gates let them.
    ledger: false,
    storePath: join(out, 'comparisons.sqlite'),
    logger: fileLogger(join(out, 'log.jsonl')),
    ...(options.defect ? { decoratePooledLeg: (leg) => withDefects(leg, plantedDefects) } : {}),
  });
  try {
    const loaded = await load(progress, signal);
    const callers = await begin(loaded, options.seed);
    const { rollback, seen } = await drive(
      callers,
      flagsFile,
      options.seconds,
      options.defect,
      progress,
      signal,
    );
    const bridge = StorageBackend.bridge();
    await bridge.idle();
    const held = bridge.guardrail.holds.map(
      ({ backend, target }) => `${backend} ${targetText(target)}`,
    );
    const report = bridge.recorder.summary();
    await StorageBackend.shutdown();
    progress.say('Checking every table by the bare drivers…');
    const data = await checkData(callers, loaded, location);
    const defects = options.defect ? checkDefects(report, held) : [];
    const lines = stageLines(report);
    const checked = [
      ...seen,
      ...findProblems(callers, lines, data, defects, options.defect ? [] : held),
      ...(rollback.failed > 0
        ? [`${rollback.failed} calls failed after the rollback of ${rolledBackEngine}`]
        : []),
    ];
    const reported = await demoReport(out, { data, problems: checked, seed: options.seed });
    const { decision, reason } = reportVerdict(reported);
    // With planted defects the gates must not pass; without them they are a check like the others.
    const asExpected = options.defect !== (decision === 'PROMOTE');
    const problems =
      asExpected || checked.length > 0 ? checked : [`the gates say ${decision}: ${reason}`];
    const reports = { json: join(out, 'report.json'), html: join(out, 'report.html') };
    const result: DemoResult = {
      ok: problems.length === 0,
      problems,
      verdict: { decision, reason },
      stages: lines,
      data,
      defects,
      rollback,
      datasets: loaded.map(({ dataset, reference: { rows } }) => ({
        name: dataset.name,
        rows,
        origin: dataset.origin,
        terms: dataset.terms,
      })),
      reports,
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
      seed: options.seed,
    };
    writeReports(result, { ...reported, problems });
    writePlaceFile(out);
    return result;
  } finally {
    await StorageBackend.shutdown();
    if (postgres === undefined) await dropSchemas();
    await postgres?.stop();
  }
}

function fileLogger(path: string): Logger {
  const file = openSync(path, 'w');
  return createLogger({
    level: 'info',
    destination: {
      write: (line) => {
        writeSync(file, line);
      },
    },
  });
}

function all(stage: Stage): Record<Engine, Stage> {
  return { sqlite: stage, duckdb: stage, postgresql: stage };
}

async function load(progress: Progress, signal: AbortSignal): Promise<Loaded[]> {
  const loaded: Loaded[] = [];
  for (const [at, dataset] of realDatasets.entries()) {
    const rows = dataset.rows();
    for (const engine of engines) {
      signal.throwIfAborted();
      progress.show(
        'Loading real data',
        at / realDatasets.length,
        `${dataset.name}, ${rows.length} rows into ${engine}`,
      );
      await loadInBatches(engine, dataset.name, dataset.table, rows);
    }
    loaded.push({ dataset, reference: referenceOf(dataset.columns, rows) });
  }
  const total = loaded.reduce((sum, { reference }) => sum + reference.rows, 0);
  progress.say(
    `Loaded ${loaded.length} datasets, ${total} rows, into each of ${engines.length} engines through the legacy API.`,
  );
  return loaded;
}

async function begin(loaded: readonly Loaded[], seed: number): Promise<Caller[]> {
  const callers = engines.flatMap((engine, e) =>
    loaded.map(
      ({ dataset, reference }, d) =>
        new Caller(engine, dataset, reference.rows, seed * 1_000 + e * 100 + d),
    ),
  );
  for (const caller of callers) await caller.begin();
  return callers;
}

async function drive(
  callers: readonly Caller[],
  flagsFile: string,
  seconds: number,
  defect: boolean,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ rollback: DemoResult['rollback']; seen: string[] }> {
  const stop = new AbortController();
  const ended = AbortSignal.any([stop.signal, signal]);
  const work = Promise.all(callers.map((caller) => callUntil(caller, ended)));
  const calls = (engine?: Engine): number =>
    callers.reduce(
      (sum, caller) => sum + (engine === undefined || caller.engine === engine ? caller.calls : 0),
      0,
    );
  const failures = (): number =>
    callers.reduce(
      (sum, { engine, failures: { length } }) => sum + (engine === rolledBackEngine ? length : 0),
      0,
    );
  try {
    for (const stage of stages) {
      writeFlags(flagsFile, all(stage));
      await spend(`Driving at ${stage}`, seconds, progress, ended, () => `${calls()} calls`);
      const missing = await waitAtGate(gateOf(stage, defect), stage, progress, ended);
      progress.say(`Drove ${callers.length} callers at ${stage}: ${calls()} calls so far.`);
      if (missing.length === 0) continue;
      progress.say(`Stopped at ${stage}, and no dataset goes further: ${shortened(missing)}.`);
      return {
        rollback: { engine: rolledBackEngine, callsAfter: 0, failed: 0 },
        seen: [
          `stopped at ${stage}: after ${longestGateSeconds} s its gate was not passed`,
          ...missing,
        ],
      };
    }
    writeFlags(flagsFile, { ...all('pooled'), [rolledBackEngine]: 'legacy' });
    const before = { calls: calls(rolledBackEngine), failed: failures() };
    await spend(
      `Rolling back ${rolledBackEngine}`,
      Math.max(2, seconds / 2),
      progress,
      ended,
      () => `${calls()} calls`,
    );
    progress.say(`Rolled ${rolledBackEngine} back to legacy under load.`);
    stop.abort();
    await work;
    return {
      rollback: {
        engine: rolledBackEngine,
        callsAfter: calls(rolledBackEngine) - before.calls,
        failed: failures() - before.failed,
      },
      seen: [],
    };
  } finally {
    stop.abort();
    await work;
  }
}

function gateOf(stage: Stage, defect: boolean): StageGate | undefined {
  if (defect) return stage === 'shadow' ? defectGate(engines, plantedDefects) : undefined;
  const datasets = realDatasets.map(({ name }) => name);
  return stage === 'shadow' || stage === 'reverse'
    ? comparedGate(stage, engines, datasets)
    : undefined;
}

/** What the gate still misses when it is passed, which is nothing, or given up. */
async function waitAtGate(
  gate: StageGate | undefined,
  stage: Stage,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (gate === undefined) return [];
  let missing = gate.missing();
  let askedMs = performance.now();
  const passed = (): boolean => {
    if (performance.now() - askedMs >= gateIntervalMs) {
      missing = gate.missing();
      askedMs = performance.now();
    }
    return missing.length === 0;
  };
  if (missing.length > 0) progress.say(`Waiting at the gate of ${stage}: ${shortened(missing)}.`);
  const detail = (): string => shortened(missing);
  await spend(
    `Waiting at the gate of ${stage}`,
    longestGateSeconds,
    progress,
    signal,
    detail,
    passed,
  );
  return missing;
}

async function callUntil(caller: Caller, ended: AbortSignal): Promise<void> {
  for (let call = 0; !ended.aborted; call += 1) {
    await caller.step();
    await new Promise((resolve) => {
      setTimeout(resolve, (((call * 7) % 100) / 100) * longestPauseMs[caller.engine]);
    });
  }
}

async function spend(
  title: string,
  seconds: number,
  progress: Progress,
  signal: AbortSignal,
  detail: () => string,
  done: () => boolean = () => false,
): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const share = (performance.now() - startedMs) / (seconds * 1_000);
    if (share >= 1 || done()) return;
    progress.show(title, share, detail());
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

async function checkData(
  callers: readonly Caller[],
  loaded: readonly Loaded[],
  location: StoreLocation,
): Promise<DataCheck[]> {
  const checks: DataCheck[] = [];
  for (const { engine, dataset, entries } of callers) {
    const source = loaded.find((candidate) => candidate.dataset === dataset)?.reference;
    const expected: [table: string, columns: typeof dataset.columns, reference: TableReference][] =
      [
        [
          'activity',
          activityColumns,
          referenceOf(activityColumns, entries.values() as Iterable<never>),
        ],
      ];
    if (source !== undefined) expected.push([dataset.table, dataset.columns, source]);
    for (const [table, columns, reference] of expected) {
      const found = referenceOf(columns, await readStored(engine, location, dataset.name, table));
      checks.push({
        engine,
        dataset: dataset.name,
        table,
        rows: found.rows,
        expectedRows: reference.rows,
        digest: found.digest,
        expectedDigest: reference.digest,
        ok: found.digest === reference.digest,
      });
    }
  }
  return checks;
}

function checkDefects(report: ReportData, held: readonly string[]): DefectCheck[] {
  return engines.flatMap((engine) =>
    plantedDefects.map(({ dataset, what, expectedClass }) => {
      const groups = report.sampleGroups.filter(
        ({ backend, verdict, samples }) =>
          backend === engine &&
          verdict === 'mismatch' &&
          samples.some((sample) => sample.dataset === dataset),
      );
      const foundClasses = [...new Set(groups.map((group) => group.class ?? 'none'))];
      const rolledBack = held.includes(`${engine} ${dataset}`);
      return {
        engine,
        dataset,
        planted: what,
        expectedClass,
        foundClasses,
        rolledBack,
        ok: rolledBack && foundClasses.includes(expectedClass),
      };
    }),
  );
}

function stageLines(report: ReportData): StageLine[] {
  return engines.flatMap((engine) =>
    stages.flatMap((stage) =>
      report.byStage
        .filter((totals) => totals.backend === engine && totals.stage === stage)
        .map((totals) => ({
          engine,
          stage,
          calls: totals.calls,
          failed: totals.failed,
          compared: totals.compared,
          match: totals.match,
          mismatch: totals.mismatch,
          raced: totals.raced,
          nondeterministic: totals.nondeterministic,
          inconclusive: totals.inconclusive,
          shed: totals.shed,
          legacyP50Ms: totals.legacy.p50Ms ?? null,
          legacyP99Ms: totals.legacy.p99Ms ?? null,
          pooledP50Ms: totals.pooled.p50Ms ?? null,
          pooledP99Ms: totals.pooled.p99Ms ?? null,
        })),
    ),
  );
}

function findProblems(
  callers: readonly Caller[],
  lines: readonly StageLine[],
  data: readonly DataCheck[],
  defects: readonly DefectCheck[],
  heldUnexpectedly: readonly string[],
): string[] {
  const withDefect = defects.length > 0;
  const failures = callers.flatMap((caller) => caller.failures);
  const problems = failures
    .slice(0, 20)
    .map(({ engine, dataset, what }) => `${engine} ${dataset}: ${what}`);
  for (const { engine, dataset, what } of failures.slice(20))
    process.stderr.write(`${engine} ${dataset}: ${what}\n`);
  if (failures.length > 20) problems.push(`and ${failures.length - 20} more failures`);
  for (const engine of engines) {
    for (const stage of stages) {
      const line = lines.find(
        (candidate) => candidate.engine === engine && candidate.stage === stage,
      );
      if (line === undefined || line.calls === 0)
        problems.push(`${engine} was never called at ${stage}`);
      else if (!withDefect && (stage === 'shadow' || stage === 'reverse') && line.compared === 0)
        problems.push(`${engine}: nothing was compared at ${stage}`);
      else if (!withDefect && line.mismatch > 0)
        problems.push(`${engine} at ${stage}: ${line.mismatch} mismatches`);
      if (line !== undefined && line.failed > 0)
        problems.push(`${engine} at ${stage}: ${line.failed} failed calls`);
    }
  }
  for (const check of data) {
    if (check.ok) continue;
    problems.push(
      `${check.engine} ${check.dataset}.${check.table}: ${check.rows} rows ${check.digest}, ` +
        `expected ${check.expectedRows} rows ${check.expectedDigest}`,
    );
  }
  for (const check of defects) {
    if (check.ok) continue;
    problems.push(
      `${check.engine} ${check.dataset} (${check.planted}): expected class ${check.expectedClass}, ` +
        `found ${check.foundClasses.join(', ') || 'nothing'}; ${check.rolledBack ? 'rolled back' : 'not rolled back'}`,
    );
  }
  return [
    ...problems,
    ...heldUnexpectedly.map((name) => `${name} was rolled back without a planted defect`),
  ];
}

/** A server that was given keeps nothing of the demo. */
async function dropSchemas(): Promise<void> {
  StorageBackend.configure({ databaseUrl: process.env['DATABASE_URL'], storePath: ':memory:' });
  const storage = StorageBackend.getInstance('postgresql');
  for (const { name } of realDatasets) await storage.dropDataset(name);
  await StorageBackend.shutdown();
}
