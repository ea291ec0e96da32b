import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchCases } from './bench/cases.ts';
import { digits } from './bench/digits.ts';
import { measuredPath, writeDocuments } from './bench/documents.ts';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureText,
} from './bench/figure.ts';
import { machineText } from './bench/machine.ts';
import {
  beginRun,
  countVerdicts,
  type MeasuredFile,
  measuredText,
  readMeasured,
  type Run,
} from './bench/measured-file.ts';
import { figureTable, plotsOf, renderPage } from './bench/page.ts';
import type { Verdict } from './bench/verdict.ts';
import { startPostgres } from './embedded-postgres.ts';

const usage = `npm run bench -- [NAME…] [--quick] [--format text|json] [--out FOLDER] [--write-docs] [--list]
npm run bench -- docs

Measures ratios within one run: the sides in turn on the same machine, their results checked equal before anything is
timed. A figure is the median of its rounds. The range beside it is where that median lies: the 95 % interval by the
order of the rounds, and the lowest to the highest where there are fewer than six. A target is judged by the range:

  ✓ held        all of it keeps within the target
  ✗ missed      all of it is beyond the target
  ? can't tell  the target lies in it, or there were fewer than three rounds: measure on a machine with nothing else to do,
                or take the difference for what it is, too small to see

Writes bench.json and bench.html (with plots) into FOLDER, by default a new one in the folder for temporary files.

  NAME          only these; all by default, which takes less than twelve minutes on two cores. verify-cost by itself reads
                10^7 rows of each engine
  --quick       few and short rounds: shows that everything works, and roughly what comes out
  --format      json prints [{case, key, name, figure, unit, interval, rounds, target, verdict}] and nothing else on
                standard output
  --write-docs  of all benchmarks: writes docs/benchmarks.json, and from it docs/benchmarks.md and docs/adr-validation.md
  --list        prints the names

  docs          measures nothing: makes the documents from docs/benchmarks.json anew, as after a change of their templates
                in scripts/bench/documents/

Exit codes: 0 all targets are held, 3 one or more are missed, 4 none is missed but of some it can't be told; 1 a benchmark
failed, 2 wrong usage.

Names:
${benchCases.map(({ name, title }) => `  ${name.padEnd(26)} ${title}`).join('\n')}
`;

/** A benchmark that takes longer hangs; by itself it may take 10^7 rows of each engine. */
const longestCaseMs = { beside: 240_000, alone: 900_000 } as const;

const marks: Readonly<Record<Verdict, string>> = { held: '✓', missed: '✗', "can't tell": '?' };

interface Measured {
  readonly benchCase: BenchCase;
  readonly result: CaseResult;
  readonly tookMs: number;
}

interface Options {
  readonly chosen: readonly BenchCase[];
  readonly quick: boolean;
  readonly json: boolean;
  readonly out: string | undefined;
  readonly writeDocs: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const options = parse();
  if (typeof options === 'number') return options;
  const begun = beginRun(options.quick);
  const startedMs = performance.now();
  const { measured, failed } = await measureAll(options);
  const run: Run = {
    ...begun,
    tookMinutes: Math.round((performance.now() - startedMs) / 6_000) / 10,
  };
  process.stdout.write(options.json ? jsonOf(measured) : textOf(measured, run));
  const file = fileOf(measured, run);
  const folder = writeOut(options.out, file, measured);
  for (const { name, reason } of failed) process.stderr.write(`FAILED ${name}: ${reason}\n`);
  if (options.writeDocs && failed.length === 0) writeDocuments(file);
  const counts = countVerdicts(measured.flatMap(({ result }) => result.figures));
  process.stderr.write(
    `${counts.held} targets held, ${counts.missed} missed, ${counts["can't tell"]} can't tell. ` +
      `See ${join(folder, 'bench.html')} and bench.json beside it.\n`,
  );
  if (failed.length > 0) return 1;
  if (counts.missed > 0) return 3;
  return counts["can't tell"] > 0 ? 4 : 0;
}

function parse(): Options | number {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        format: { type: 'string', default: 'text' },
        quick: { type: 'boolean', default: false },
        list: { type: 'boolean' },
        out: { type: 'string' },
        'write-docs': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) {
      process.stdout.write(usage);
      return 0;
    }
    if (values.list === true) {
      process.stdout.write(`${benchCases.map(({ name }) => name).join('\n')}\n`);
      return 0;
    }
    if (positionals[0] === 'docs') {
      if (
        positionals.length > 1 ||
        values.quick ||
        values['write-docs'] ||
        values.out !== undefined
      )
        throw new RangeError('docs measures nothing, so it takes no names and no options.');
      writeDocuments(readMeasured(measuredPath));
      return 0;
    }
    const unknown = positionals.filter(
      (name) => !benchCases.some((candidate) => candidate.name === name),
    );
    if (unknown.length > 0) {
      throw new RangeError(
        `There is no benchmark ${unknown.map((name) => JSON.stringify(name)).join(', ')}: see --list.`,
      );
    }
    const { format, quick, out, 'write-docs': writeDocs } = values;
    if (writeDocs && positionals.length > 0)
      throw new RangeError('--write-docs takes no names: the documents are of one run of all.');
    if (format !== 'text' && format !== 'json')
      throw new RangeError(`--format takes text or json, found ${JSON.stringify(format)}.`);
    const chosen = benchCases.filter(
      ({ name }) => positionals.length === 0 || positionals.includes(name),
    );
    return { chosen, quick, json: format === 'json', out, writeDocs };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
}

async function measureAll({
  chosen,
  quick,
}: Options): Promise<{ measured: Measured[]; failed: { name: string; reason: string }[] }> {
  const given = process.env['DATABASE_URL'];
  const postgres =
    chosen.some(({ needsPostgres }) => needsPostgres === true) &&
    (given === undefined || given === '')
      ? await startPostgres()
      : undefined;
  const measured: Measured[] = [];
  const failed: { name: string; reason: string }[] = [];
  try {
    for (const benchCase of chosen) {
      process.stderr.write(`measuring ${benchCase.name}: ${benchCase.title}… `);
      const startedMs = performance.now();
      try {
        const databaseUrl = benchCase.needsPostgres === true ? (postgres?.url ?? given) : undefined;
        const alone = chosen.length === 1;
        const result = await runInOwnProcess(benchCase, { quick, alone, databaseUrl });
        measured.push({ benchCase, result, tookMs: performance.now() - startedMs });
      } catch (error) {
        failed.push({ name: benchCase.name, reason: (error as Error).message });
      }
      process.stderr.write(`${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`);
    }
  } finally {
    await postgres?.stop();
  }
  return { measured, failed };
}

/** Runs a benchmark in a process of its own, which ends with this one. */
function runInOwnProcess(benchCase: BenchCase, context: BenchContext): Promise<CaseResult> {
  return new Promise((resolve, reject) => {
    const child = fork(
      join(import.meta.dirname, 'bench/run-case.ts'),
      [benchCase.name, JSON.stringify(context)],
      {
        execArgv: [...process.execArgv, '--expose-gc'],
        // What it prints is no part of the table.
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    );
    let result: CaseResult | undefined;
    const timer = setTimeout(
      () => {
        child.kill('SIGKILL');
      },
      longestCaseMs[context.alone ? 'alone' : 'beside'],
    );
    const end = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', end);
    child.on('message', (message) => {
      result = message as CaseResult;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      process.off('exit', end);
      if (result !== undefined) resolve(result);
      else
        reject(
          new Error(
            `it ended without a result (${signal === null ? `exit code ${String(code)}` : signal}); see above`,
          ),
        );
    });
  });
}

function textOf(measured: readonly Measured[], { machine }: Run): string {
  const lines = [`\n${machineText(machine)}\n`];
  for (const { benchCase, result } of measured) {
    lines.push(`${benchCase.name}: ${benchCase.title}`);
    for (const figure of result.figures) {
      const { name, target, verdict, beside } = figure;
      lines.push(
        `  ${marks[verdict]} ${name}: ${figureText(figure)}  target ${target}` +
          (verdict === "can't tell" ? ": can't tell" : ''),
      );
      if (beside !== undefined) lines.push(`      ${beside}`);
    }
    lines.push('');
  }
  return `${lines.join('\n')}\n`;
}

function jsonOf(measured: readonly Measured[]): string {
  const figures = measured.flatMap(({ benchCase, result }) =>
    result.figures.map(
      ({ key, name, figure, unit, interval, rounds, target, verdict }: Figure) => ({
        case: benchCase.name,
        key,
        name,
        figure,
        unit,
        interval,
        rounds,
        target,
        verdict,
      }),
    ),
  );
  return `${JSON.stringify(figures, null, 2)}\n`;
}

function fileOf(measured: readonly Measured[], run: Run): MeasuredFile {
  return {
    run,
    cases: measured.map(({ benchCase: { name, title }, result: { figures }, tookMs }) => ({
      name,
      title,
      tookSeconds: Math.round(tookMs / 100) / 10,
      figures,
    })),
  };
}

function writeOut(
  out: string | undefined,
  file: MeasuredFile,
  measured: readonly Measured[],
): string {
  const folder = out ?? mkdtempSync(join(tmpdir(), 'changeover-bench-'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'bench.json'), measuredText(file));
  const { date, commit, quick, tookMinutes, machine } = file.run;
  const page = renderPage(
    'Changeover: measured',
    [
      `${date}, commit ${commit}, ${machineText(machine)}; ${digits(tookMinutes)} minutes${quick ? '; a quick run, whose figures are rough' : ''}`,
      'Medians of rounds in which the sides take turns. A target is judged by the interval of the median: held where all of it keeps ' +
        "within, missed where all of it is beyond, and can't tell where the target lies in it.",
    ],
    measured.map(({ benchCase: { name, title }, result: { figures, plots } }) => ({
      id: name,
      title: `${name}: ${title}`,
      content: [figureTable(title, figures), ...plotsOf(plots ?? [])],
    })),
  );
  writeFileSync(join(folder, 'bench.html'), page);
  return folder;
}
