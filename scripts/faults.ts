import { parseArgs } from 'node:util';
import { type Engine, engines } from '@changeover/engines';
import { faults, runFault, runSeedWithHistories } from '../test/faults/campaign.ts';
import type { CampaignResult } from '../test/faults/campaign.ts';
import type { Fault } from '../test/faults/fault.ts';
import { runClean } from '../test/faults/clean/clean-run.ts';
import { FaultyPostgres, type Pooler, poolers } from '../test/faults/faulty-postgres.ts';
import { runKills } from '../test/faults/kills/kill-run.ts';
import { runHistories } from '../test/faults/history/history-run.ts';
import { type Plant, plants } from '../test/faults/history/plant.ts';
import { seededRandom } from '../test/faults/random.ts';

const usage = `npm run faults -- [--seeds N] [--seed S] [--fault NAME] [--plant FAULT] [--engine NAME] [--through POOLER] [--format text|json] [--list]
       npm run faults -- --clean [--calls N] [--engine NAME]
       npm run faults -- --kills N [--engine NAME]

Makes faults happen under load against real engines and checks what must hold from what each caller was told. Each seed also makes
calls through the bridge at each stage and across changes of it, and looks for an order of them that explains every answer.

  --seeds N     how many mixes of faults, each by its own seed, from 1 to 100,000 (default 5; 1 with --seed)
  --seed S      the first seed (default 1); a seed that failed is printed, and --seed S runs the same faults again
  --fault NAME  only the faults whose names contain this, each alone
  --plant FAULT only the calls through the bridge, with a fault in its pooled leg that is to be found, so that the exit code is 1:
                lost-update, stale-read or swapped-write
  --engine NAME sqlite, duckdb or postgresql alone, for calls through the bridge. Default: all three
  --through P   puts a pooler in front of PostgreSQL: pgbouncer (by transaction), pgbouncer-session or haproxy. Default: none
  --clean       no faults: two processes write and read the same datasets, or one on DuckDB, whose files one process holds;
                no comparison may say mismatch
  --calls N     calls to be compared on each engine, with --clean, from 100 to 1,000,000 (default 30,000)
  --kills N     a process that counts up is killed so many times on each engine, from 1 to 1,000: what it acknowledged must be
                counted
  --format F    text (default), or json: {seeds, failed: [{seed, faults, problems}], calls, faults} on standard output
  --list        prints the names of the faults

Progress is told on standard error. Exit code: 0 all held, 1 something did not, 2 wrong usage, 3 told to end before all was
run; what ran is told then too.
`;

interface Options {
  readonly seeds: number;
  readonly first: number;
  /** Faults to be run each alone. */
  readonly alone: readonly Fault[];
  readonly json: boolean;
  readonly plant: Plant | undefined;
  readonly engines: readonly Engine[];
  /** Calls to be compared on each engine where there are to be no faults. */
  readonly clean: number | undefined;
  readonly kills: number | undefined;
  /** What stands in front of PostgreSQL. */
  readonly through: Pooler | undefined;
}

interface Failure {
  readonly seed: number | string;
  readonly faults: readonly string[];
  readonly problems: readonly string[];
}

const exitCodes = { held: 0, failed: 1, usage: 2, cutShort: 3 } as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  let options: Options | 'shown';
  try {
    options = parse(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return exitCodes.usage;
  }
  if (options === 'shown') return exitCodes.held;
  if (options.kills !== undefined) return await kill(options, options.kills);
  return options.clean === undefined ? await run(options) : await clean(options, options.clean);
}

async function clean({ engines, json, through }: Options, calls: number): Promise<number> {
  const postgres = await FaultyPostgres.start(through);
  let held = true;
  try {
    for (const engine of engines) {
      const { busy, compared, mismatch, processes, problems, seconds } = await runClean({
        engine,
        calls,
        databaseUrl: postgres.reachedBy,
      });
      const isHeld = mismatch === 0 && problems.length === 0;
      held &&= isHeld;
      say(
        `${isHeld ? 'held  ' : 'FAILED'} ${engine}: ${compared} calls compared by ${processes} processes in ${Math.round(seconds)} s, ${mismatch} mismatches, ${busy} calls refused for another's lock`,
      );
      for (const problem of problems) say(`         ${problem}`);
      if (json)
        process.stdout.write(`${JSON.stringify({ engine, compared, mismatch, busy, problems })}\n`);
    }
  } finally {
    await postgres.stop();
  }
  return held ? exitCodes.held : exitCodes.failed;
}

async function run(options: Options): Promise<number> {
  const postgres = await FaultyPostgres.start(options.through);
  const failed: Failure[] = [];
  let ran = 0;
  let calls = 0;
  let happened = 0;
  const note = (seed: number | string, result: CampaignResult): void => {
    calls += result.calls;
    happened += result.faults.length;
    if (result.problems.length > 0)
      failed.push({ seed, faults: result.faults, problems: result.problems });
    const what = typeof seed === 'number' ? `seed ${seed}: ${result.faults.join('; ')}` : seed;
    const waited = Math.round(result.keptWaitingMs);
    const load =
      waited < 250
        ? ''
        : `, answers judged less the ${waited} ms in which the machine had no core for them`;
    say(
      `${result.problems.length === 0 ? 'held  ' : 'FAILED'} ${what} (${result.calls} calls${load})`,
    );
    for (const problem of result.problems) say(`         ${problem}`);
  };
  let isTold = false;
  const tell = (): void => {
    if (isTold) return;
    isTold = true;
    const seeds = failed.map(({ seed }) => seed);
    say(
      `${calls} calls, ${happened} faults, ${failed.length} failed${seeds.length === 0 ? '' : `: ${seeds.join(', ')}`}`,
    );
    if (options.json)
      process.stdout.write(`${JSON.stringify({ seeds: ran, failed, calls, faults: happened })}\n`);
  };
  endWhenTold(postgres, tell);
  try {
    for (const fault of options.alone) note(fault.name, await runFault(fault, postgres));
    for (let seed = options.first; seed < options.first + options.seeds; seed += 1) {
      note(seed, await runOne(seed, postgres, options));
      ran += 1;
    }
  } finally {
    await postgres.stop();
  }
  tell();
  return failed.length === 0 ? exitCodes.held : exitCodes.failed;
}

async function kill({ engines, first, json }: Options, kills: number): Promise<number> {
  const postgres = await FaultyPostgres.start();
  let held = true;
  try {
    for (const engine of engines) {
      const result = await runKills({ engine, databaseUrl: postgres.url, kills, seed: first });
      const { acknowledged, counted, problems } = result;
      held &&= problems.length === 0;
      say(
        `${problems.length === 0 ? 'held  ' : 'FAILED'} ${engine}: killed ${kills} times, ${acknowledged} acknowledged, ${counted} counted`,
      );
      for (const problem of problems) say(`         ${problem}`);
      if (json) process.stdout.write(`${JSON.stringify({ engine, ...result })}\n`);
    }
  } finally {
    await postgres.stop();
  }
  return held ? exitCodes.held : exitCodes.failed;
}

async function runOne(
  seed: number,
  postgres: FaultyPostgres,
  { plant, engines }: Options,
): Promise<CampaignResult> {
  if (plant === undefined) return await runSeedWithHistories(seed, postgres, engines);
  const random = seededRandom(~seed);
  const { calls, problems } = await runHistories({ postgres, engines, plant, random });
  const unfound = problems.length === 0 ? [`${plant} was not found`] : [];
  return { calls, faults: [plant], keptWaitingMs: 0, problems: [...problems, ...unfound] };
}

/** Tells what ran so far and ends, when the process is told to. In the place of the listeners of the PostgreSQL package,
 * which stop the server under the calls that run and let the process crash over that. */
function endWhenTold(postgres: FaultyPostgres, tell: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    process.once(signal, () => {
      process.on('uncaughtException', () => undefined);
      // Whatever the seed that ran makes of the server's end, and whoever else ends the process for it.
      process.on('exit', () => {
        process.exitCode = exitCodes.cutShort;
      });
      say(`told to end by ${signal}; the seed that ran counts for nothing`);
      tell();
      void postgres.kill().finally(() => {
        process.exit(exitCodes.cutShort);
      });
    });
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function parse(args: string[]): Options | 'shown' {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      fault: { type: 'string' },
      plant: { type: 'string' },
      engine: { type: 'string' },
      clean: { type: 'boolean' },
      calls: { type: 'string' },
      kills: { type: 'string' },
      through: { type: 'string' },
      list: { type: 'boolean' },
      format: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true || values.list === true) {
    process.stdout.write(
      values.help === true ? usage : `${faults.map(({ name }) => name).join('\n')}\n`,
    );
    return 'shown';
  }
  const { fault, format = 'text' } = values;
  if (format !== 'text' && format !== 'json')
    throw new RangeError(`--format takes text or json, found ${JSON.stringify(format)}.`);
  const alone = fault === undefined ? [] : faults.filter(({ name }) => name.includes(fault));
  if (fault !== undefined && alone.length === 0)
    throw new RangeError(`No fault is called ${JSON.stringify(fault)}: see --list.`);
  const plant = plants.find((name) => name === values.plant);
  if (values.plant !== undefined && plant === undefined)
    throw new RangeError(
      `--plant takes ${plants.join(', ')}, found ${JSON.stringify(values.plant)}.`,
    );
  const calls = whole(values.calls, 'calls', 100, 1_000_000);
  if (calls !== undefined && values.clean !== true) throw new RangeError('--calls is for --clean.');
  const through = poolers.find((name) => name === values.through);
  if (values.through !== undefined && through === undefined)
    throw new RangeError(
      `--through takes ${poolers.join(', ')}, found ${JSON.stringify(values.through)}.`,
    );
  const usualSeeds = fault !== undefined ? 0 : values.seed !== undefined ? 1 : 5;
  return {
    seeds: whole(values.seeds, 'seeds', 1, 100_000) ?? usualSeeds,
    first: whole(values.seed, 'seed', 0, 2 ** 32 - 1) ?? 1,
    alone,
    json: format === 'json',
    plant,
    engines: enginesNamed(values.engine),
    kills: whole(values.kills, 'kills', 1, 1_000),
    through,
    clean: values.clean === true ? (calls ?? 30_000) : undefined,
  };
}

function enginesNamed(name: string | undefined): readonly Engine[] {
  if (name === undefined) return engines;
  const engine = engines.find((each) => each === name);
  if (engine !== undefined) return [engine];
  throw new RangeError(`--engine takes ${engines.join(', ')}, found ${JSON.stringify(name)}.`);
}

function whole(
  text: string | undefined,
  name: string,
  low: number,
  high: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= low && value <= high) return value;
  throw new RangeError(
    `--${name} takes a whole number from ${low} to ${high}, found ${JSON.stringify(text)}.`,
  );
}
