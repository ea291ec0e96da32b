import { parseArgs } from 'node:util';
import { faults, runFault, runSeed } from '../test/faults/campaign.ts';
import type { CampaignResult } from '../test/faults/campaign.ts';
import { FaultyPostgres } from '../test/faults/faulty-postgres.ts';

const usage = `npm run faults -- [--seeds N] [--seed S] [--fault NAME] [--format text|json] [--list]

Makes faults happen under load against real engines and checks what must hold from what each caller was told.

  --seeds N     how many mixes of faults, each by its own seed (default 5)
  --seed S      the first seed (default 1); a failing seed is printed and replays with --seed S --seeds 1
  --fault NAME  only the faults whose names contain this, each alone
  --list        prints the names of the faults
`;

interface Failure {
  readonly seed: number | string;
  readonly faults: readonly string[];
  readonly problems: readonly string[];
}

// Exit codes: 0 everything held, 1 something did not, 2 wrong usage.
process.exitCode = await main();

async function main(): Promise<number> {
  const options = parse();
  if (typeof options === 'number') return options;
  const postgres = await FaultyPostgres.start();
  const failed: Failure[] = [];
  let calls = 0;
  let happened = 0;
  const note = (seed: number | string, result: CampaignResult): void => {
    calls += result.calls;
    happened += result.faults.length;
    if (result.problems.length > 0) failed.push({ seed, faults: result.faults, problems: result.problems });
    const what = typeof seed === 'number' ? `seed ${seed}: ${result.faults.join('; ')}` : seed;
    say(`${result.problems.length === 0 ? 'held  ' : 'FAILED'} ${what}` +
      ` (${result.calls} calls)`);
    for (const problem of result.problems) say(`         ${problem}`);
  };
  try {
    for (const fault of options.alone) note(fault.name, await runFault(fault, postgres));
    for (let seed = options.first; seed < options.first + options.seeds; seed += 1) note(seed, await runSeed(seed, postgres));
  } finally {
    await postgres.stop();
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ seeds: options.seeds, failed, calls, faults: happened })}\n`);
  } else {
    say(`${calls} calls, ${happened} faults, ${failed.length} failed`);
  }
  return failed.length === 0 ? 0 : 1;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function parse(): { seeds: number; first: number; alone: readonly (typeof faults)[number][]; json: boolean } | number {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' }, seed: { type: 'string' }, fault: { type: 'string' }, list: { type: 'boolean' },
        format: { type: 'string' }, help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) {
      process.stdout.write(usage);
      return 0;
    }
    if (values.list === true) {
      process.stdout.write(`${faults.map(({ name }) => name).join('\n')}\n`);
      return 0;
    }
    const format = values.format ?? 'text';
    if (format !== 'text' && format !== 'json') throw new RangeError(`--format takes text or json, found ${JSON.stringify(format)}.`);
    const { fault } = values;
    const alone = fault === undefined ? [] : faults.filter(({ name }) => name.includes(fault));
    if (fault !== undefined && alone.length === 0) throw new RangeError(`No fault is called ${JSON.stringify(fault)}: see --list.`);
    const seeds = fault === undefined || values.seeds !== undefined ? whole(values.seeds, 'seeds', 5) : 0;
    return { seeds, first: whole(values.seed, 'seed', 1), alone, json: format === 'json' };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
}

function whole(text: string | undefined, name: string, standard: number): number {
  if (text === undefined) return standard;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`--${name} takes a whole number, found ${JSON.stringify(text)}.`);
  return value;
}
