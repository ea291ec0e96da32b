import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchCases } from './bench/cases.ts';
import type { BenchCase, BenchContext, CaseResult } from './bench/figure.ts';
import { describeMachine, type Machine, machineText } from './bench/machine.ts';
import { digits, figureTable, plotsOf, renderPage } from './bench/page.ts';
import { startPostgres } from './embedded-postgres.ts';

const usage = `npm run bench -- [NAME…] [--quick] [--format text|json] [--out FOLDER] [--list]

Measures ratios within one run: the sides in turn on the same machine, their results checked equal before anything is
timed. A figure is the median of its rounds; half of the rounds lie in the range beside it. Writes bench.json and
bench.html (with plots) into FOLDER, by default a new one in the folder for temporary files.

  NAME      only these; all by default, which takes less than ten minutes on two cores. verify-cost by itself reads 10^7 rows
            of each engine
  --quick   few and short rounds: shows that everything works, and roughly what comes out
  --list    prints the names
  --format  json prints [{name, figure, unit, target, holds}] and nothing else on standard output

Names:
${benchCases.map(({ name, title }) => `  ${name.padEnd(26)} ${title}`).join('\n')}
`;

/** A benchmark that takes longer hangs. */
const longestCaseMs = 240_000;

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
}

// Exit codes: 0 measured (targets missed are shown, not failed), 1 a benchmark failed, 2 wrong usage.
process.exitCode = await main();

async function main(): Promise<number> {
  const options = parse();
  if (typeof options === 'number') return options;
  const machine = describeMachine();
  const { measured, failed } = await measureAll(options);
  const figures = measured.flatMap(({ result }) => result.figures);
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify(
        figures.map(({ name, figure, unit, target, holds }) => ({
          name,
          figure,
          unit,
          target,
          holds,
        })),
        null,
        2,
      )}\n`,
    );
  } else process.stdout.write(textOf(measured, machine));
  const folder = writeOut(options.out, machine, measured);
  process.stderr.write(
    `${figures.filter(({ holds }) => holds).length} of ${figures.length} targets hold. ` +
      `See ${join(folder, 'bench.html')} and bench.json beside it.\n`,
  );
  for (const { name, reason } of failed) process.stderr.write(`FAILED ${name}: ${reason}\n`);
  return failed.length === 0 ? 0 : 1;
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
    const unknown = positionals.filter(
      (name) => !benchCases.some((candidate) => candidate.name === name),
    );
    if (unknown.length > 0) {
      throw new RangeError(
        `There is no benchmark ${unknown.map((name) => JSON.stringify(name)).join(', ')}: see --list.`,
      );
    }
    const { format, quick, out } = values;
    if (format !== 'text' && format !== 'json')
      throw new RangeError(`--format takes text or json, found ${JSON.stringify(format)}.`);
    const chosen = benchCases.filter(
      ({ name }) => positionals.length === 0 || positionals.includes(name),
    );
    return { chosen, quick, json: format === 'json', out };
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
        const result = await runApart(benchCase, {
          quick,
          alone: chosen.length === 1,
          databaseUrl,
        });
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
function runApart(benchCase: BenchCase, context: BenchContext): Promise<CaseResult> {
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
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
    }, longestCaseMs);
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

function textOf(measured: readonly Measured[], machine: Machine): string {
  const lines = [`\n${machineText(machine)}\n`];
  for (const { benchCase, result } of measured) {
    lines.push(`${benchCase.name}: ${benchCase.title}`);
    for (const { name, figure, unit, target, holds, spread, beside } of result.figures) {
      const range = spread === undefined ? '' : `  (${digits(spread[0])} to ${digits(spread[1])})`;
      lines.push(
        `  ${holds ? '✓' : '✗'} ${name}: ${digits(figure)} ${unit}${range}  target ${target}`,
      );
      if (beside !== undefined) lines.push(`      ${beside}`);
    }
    lines.push('');
  }
  return `${lines.join('\n')}\n`;
}

function writeOut(
  out: string | undefined,
  machine: Machine,
  measured: readonly Measured[],
): string {
  const folder = out ?? mkdtempSync(join(tmpdir(), 'changeover-bench-'));
  mkdirSync(folder, { recursive: true });
  const cases = measured.map(({ benchCase: { name, title }, result, tookMs }) => ({
    name,
    title,
    tookMs: Math.round(tookMs),
    ...result,
  }));
  writeFileSync(join(folder, 'bench.json'), `${JSON.stringify({ machine, cases }, null, 2)}\n`);
  const page = renderPage(
    'Changeover: measured',
    [
      machineText(machine),
      'Medians of rounds in which the sides take turns. A target that is missed is shown as missed.',
    ],
    cases.map(({ name, title, figures, plots }) => ({
      id: name,
      title: `${name}: ${title}`,
      content: [figureTable(title, figures), ...plotsOf(plots ?? [])],
    })),
  );
  writeFileSync(join(folder, 'bench.html'), page);
  return folder;
}
