import { parseArgs } from 'node:util';

/** What the main job was asked for. */
export interface DemoOptions {
  readonly defect: boolean;
  readonly format: 'text' | 'json';
  readonly seconds: number;
  readonly seed: number;
  readonly out: string;
}

export const usage = `npm start -- [options]

Loads real datasets through the legacy API into SQLite, DuckDB and PostgreSQL, drives one
mixed workload through unchanged call sites while every dataset steps legacy → shadow →
reverse → pooled, rolls one engine back under load, and checks every table afterwards.

  --defect          plant known defects in the pooled leg and show each found and rolled back
  --format FORMAT   text (default), or json: one document on standard output, all else on standard error
  --seconds N       how long each stage is driven, 1 to 600 (default 10)
  --seed N          repeats a workload (default 1)
  --out FOLDER      where data, flags and reports go (default .changeover/demo; made anew each time)
  --help            this text

DATABASE_URL=postgres://… uses that server, in schemas named mdm_demo_*, instead of the embedded one.

Examples:
  npm start
  npm start -- --defect
  npm start --silent -- --format json > result.json
`;

/** A command line that can't be carried out; the message says what to type instead. */
export class UsageError extends Error {}

/** @throws {UsageError} */
export function parseDemoOptions(args: readonly string[]): DemoOptions | 'help' {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        defect: { type: 'boolean', default: false },
        format: { type: 'string', default: 'text' },
        seconds: { type: 'string', default: '10' },
        seed: { type: 'string', default: '1' },
        out: { type: 'string', default: '.changeover/demo' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return 'help';
  const { defect, format, out } = values;
  if (format !== 'text' && format !== 'json')
    throw new UsageError(`--format must be text or json, not ${JSON.stringify(format)}`);
  return {
    defect,
    format,
    out,
    seconds: whole('seconds', values.seconds, 1, 600),
    seed: whole('seed', values.seed, 0, 2 ** 31),
  };
}

function whole(name: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new UsageError(
      `--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`,
    );
  }
  return number;
}
