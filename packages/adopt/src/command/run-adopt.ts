import { parseArgs } from 'node:util';
import { adopt } from '../adopt.ts';
import type { Seam } from '../find-singleton.ts';
import { adoptionText } from '../report.ts';

/** Where {@link runAdopt} writes. */
export interface AdoptStreams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

const usage = `Usage: changeover-adopt <file> [options]

Puts a bridge in the place of what a module hands out: a handle of better-sqlite3, pg, Kysely or Knex, the one instance of a
class, an object, or its functions. What it is not sure of is marked TODO. A second run changes nothing.

Options:
  --dry-run            show the difference, and write nothing
  --name <name>        the bridge's name; default: that of the variable, class or file
  --seam <seam>        statement: the bridge goes around the handle. methods: around the object that has the methods
  --format <format>    text or json; default: text
  --help               this text

Exit codes: 0 done, or there was nothing to change; 1 error; 2 wrong usage; 3 nothing that can be bridged was found.
`;

/**
 * The command `changeover-adopt`.
 *
 * @param args what was typed after its name.
 * @returns the exit code. Never throws.
 */
export function runAdopt(args: readonly string[], { stdout, stderr }: AdoptStreams): number {
  const typed = parse(args);
  if (typeof typed === 'string') {
    stderr.write(`changeover-adopt: ${typed}\n\n${usage}`);
    return 2;
  }
  const { file, values } = typed;
  if (file === undefined) {
    stdout.write(usage);
    return 0;
  }
  try {
    const dryRun = values['dry-run'];
    const adoption = adopt(file, { name: values.name, seam: values.seam, dryRun });
    const text =
      values.format === 'json'
        ? `${JSON.stringify(adoption, null, 2)}\n`
        : adoptionText(adoption, dryRun);
    stdout.write(text);
    return adoption.outcome === 'nothing' ? 3 : 0;
  } catch (error) {
    stderr.write(`changeover-adopt: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

interface Typed {
  /** Undefined where help was asked for. */
  readonly file: string | undefined;
  readonly values: {
    readonly 'dry-run': boolean;
    readonly name: string | undefined;
    readonly seam: Seam | undefined;
    readonly format: string;
  };
}

/** What was typed, or what is wrong with it. */
function parse(args: readonly string[]): Typed | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'dry-run': { type: 'boolean', default: false },
        name: { type: 'string' },
        seam: { type: 'string' },
        format: { type: 'string', default: 'text' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { seam, format, help } = values;
    if (seam !== undefined && seam !== 'statement' && seam !== 'methods')
      return `--seam is statement or methods, not ${JSON.stringify(seam)}.`;
    if (format !== 'text' && format !== 'json')
      return `--format is text or json, not ${JSON.stringify(format)}.`;
    const [file, ...more] = positionals;
    if (!help && file === undefined) return 'which file makes the singleton?';
    if (more.length > 0) return `one file at a time, not ${positionals.join(', ')}.`;
    return {
      file: help ? undefined : file,
      values: { 'dry-run': values['dry-run'], name: values.name, seam, format },
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
