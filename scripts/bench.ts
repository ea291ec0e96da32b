import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { type BenchCase, benchCases } from './bench/cases.ts';
import type { Figure } from './bench/measure.ts';
import { openWorkbench } from './bench/workbench.ts';

const usage = `npm run bench -- [NAME…] [--format text|json]

Measures ratios, both sides in turn on the same machine, results checked equal before anything is timed.
Each figure is the median of its rounds; half of the rounds lie within the spread.

Names: ${benchCases.map(({ name }) => name).join(', ')}
`;

// Exit codes: 0 measured (targets missed are shown, not failed), 1 error, 2 wrong usage.
process.exitCode = await main();

async function main(): Promise<number> {
  let format: string;
  let names: string[];
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { format: { type: 'string', default: 'text' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help === true) {
      process.stdout.write(usage);
      return 0;
    }
    format = values.format;
    names = positionals;
    const unknown = names.filter((name) => !benchCases.some((candidate) => candidate.name === name));
    if (unknown.length > 0) throw new Error(`there is no benchmark ${unknown.map((name) => JSON.stringify(name)).join(', ')}`);
    if (format !== 'text' && format !== 'json') throw new Error(`--format must be text or json, not ${JSON.stringify(format)}`);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  const figures = await measure(benchCases.filter(({ name }) => names.length === 0 || names.includes(name)));
  if (format === 'json') {
    process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
    return 0;
  }
  process.stdout.write(`\n${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ` +
    `Node ${process.version}, ${process.platform} ${process.arch}\n\n`);
  const width = Math.max(...figures.map(({ name }) => name.length));
  for (const { name, figure, unit, target, holds, spread } of figures) {
    const range = `(${digits(spread[0])} to ${digits(spread[1])})`;
    process.stdout.write(`${holds ? '✓' : '✗'} ${name.padEnd(width)}  ${digits(figure)} ${unit}  ${range}  target ${target}\n`);
  }
  return 0;
}

async function measure(chosen: readonly BenchCase[]): Promise<Figure[]> {
  await using workbench = await openWorkbench();
  const figures: Figure[] = [];
  for (const { name, run } of chosen) {
    process.stderr.write(`measuring ${name}…\n`);
    figures.push(...await run(workbench));
  }
  return figures;
}

function digits(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1).padStart(6);
}
