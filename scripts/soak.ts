import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './bench/machine.ts';
import { startPostgres } from './embedded-postgres.ts';
import { soak, type SoakResult } from './soak/soak.ts';
import { renderSoakPage } from './soak/soak-page.ts';
import type { SoakSample } from './soak/soak-verdict.ts';

const usage = `npm run soak -- [--minutes N] [--seed S] [--out FOLDER] [--format text|json]

Drives all three engines through the drop-in at shadow and reverse while stages change, and watches memory, handles, the event
loop's delay and errors. Writes soak.json and soak.html (with plots) into FOLDER, by default a new one in the folder for
temporary files. Exit code 1 where memory or handles grow, or anything failed.

  --minutes N  how long (default 10; a fraction is fine)
  --seed S     what is called and changed follows from it (default 1)
`;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

// Exit codes: 0 everything held, 1 something did not, 2 wrong usage.
process.exitCode = await main();

async function main(): Promise<number> {
  const options = parse();
  if (typeof options === 'number') return options;
  const machine = describeMachine();
  const given = process.env['DATABASE_URL'];
  const postgres = given === undefined || given === '' ? await startPostgres() : undefined;
  let shownMs = 0;
  const show = (sample: SoakSample): void => {
    if (sample.atMs - shownMs < 10_000) return;
    shownMs = sample.atMs;
    process.stderr.write(
      `${(sample.atMs / 1_000).toFixed(0)} s: ${sample.calls} calls, ${sample.errors} errors, heap ${sample.heapMib.toFixed(
        0,
      )} MiB, resident ${sample.residentMib.toFixed(0)} MiB, ${sample.handles} handles, delay ${sample.loopDelayMs.toFixed(
        0,
      )} ms\n`,
    );
  };
  try {
    const result = await soak({
      databaseUrl: postgres?.url ?? given ?? '',
      durationMs: options.minutes * 60_000,
      seed: options.seed,
      onSample: show,
    });
    const folder = options.out ?? mkdtempSync(join(tmpdir(), 'changeover-soak-'));
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'soak.json'),
      `${JSON.stringify({ machine, seed: options.seed, ...result }, null, 2)}\n`,
    );
    writeFileSync(join(folder, 'soak.html'), renderSoakPage(result, machine, options.seed));
    tell(result, options, folder);
    return result.ok ? 0 : 1;
  } finally {
    await postgres?.stop();
  }
}

function tell(result: SoakResult, { json, seed }: Options, folder: string): void {
  const { flatness, failures, ok, calls, stageChanges, comparisons } = result;
  if (json)
    process.stdout.write(
      `${JSON.stringify({ ok, calls, stageChanges, comparisons, flatness, failures })}\n`,
    );
  for (const { what, unit, middle, last, flat } of flatness) {
    const change = `${middle.toFixed(0)} ${unit} in the middle, ${last.toFixed(0)} at the end`;
    process.stderr.write(`${flat ? 'flat ' : 'GROWS'} ${what}: ${change}\n`);
  }
  for (const [what, count] of failures) process.stderr.write(`FAILED ${count} × ${what}\n`);
  process.stderr.write(
    `${ok ? 'Held' : 'FAILED'} (seed ${seed}): ${JSON.stringify(calls)} calls, ${stageChanges} changes of stage, ${
      comparisons.compared
    } comparisons. See ${join(folder, 'soak.html')}\n`,
  );
}

function parse(): Options | number {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        out: { type: 'string' },
        format: { type: 'string', default: 'text' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) {
      process.stdout.write(usage);
      return 0;
    }
    const minutes = Number(values.minutes ?? 10);
    if (!(minutes >= 0.05 && minutes <= 100_000)) {
      throw new RangeError(
        `--minutes takes a number from 0.05, found ${JSON.stringify(values.minutes)}.`,
      );
    }
    const seed = Number(values.seed ?? 1);
    if (!Number.isSafeInteger(seed))
      throw new RangeError(`--seed takes a whole number, found ${JSON.stringify(values.seed)}.`);
    const { format } = values;
    if (format !== 'text' && format !== 'json')
      throw new RangeError(`--format takes text or json, found ${JSON.stringify(format)}.`);
    return { minutes, seed, out: values.out, json: format === 'json' };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
}
