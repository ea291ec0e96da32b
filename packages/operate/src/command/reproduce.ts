import { type Command, InvalidArgumentError } from 'commander';
import type { Logger, RepeatableCall, ReproduceOptions, Reproduction } from '@changeover/bridge';
import type { ComparisonRule } from '@changeover/compare';
import {
  type AddSubcommand,
  type CommandContext,
  type CommonOptions,
  groups,
  withFormat,
} from './command-context.ts';
import { examples } from './help-texts.ts';

/** A call to be made again, and by what. */
export interface CallOnLegs {
  readonly backend: string;
  readonly call: RepeatableCall;
  /** Of the flags: those that a program was given itself are not known. */
  readonly rules: readonly ComparisonRule[];
  readonly options: ReproduceOptions;
  readonly basePath: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
}

/** Makes both legs and a call on them; resolves to undefined where they are a program's own, which only it can make. */
export type ReproduceOnLegs = (given: CallOnLegs) => Promise<Reproduction | undefined>;

/** What `reproduce` is told. */
export interface ReproduceCommandOptions extends CommonOptions {
  readonly showValues?: boolean;
  readonly timeout?: number;
}

/**
 * `reproduce`: a mismatch's call once more, on both legs.
 *
 * @param onLegs makes the legs of those bridges whose legs can be made from settings alone.
 */
export function addReproduce(onLegs: ReproduceOnLegs): AddSubcommand {
  return (program: Command, context: CommandContext) => {
    withFormat(program.command('reproduce'))
      .helpGroup(groups.look)
      .description("run a mismatch's call again on both legs, and say where they differ")
      .argument('<id>', 'of changeover mismatches, or its beginning')
      .option(
        '--show-values',
        'show the values that differ; default: types, lengths and keyed digests',
      )
      .option('--timeout <seconds>', 'for both legs together (default: 60)', secondsOf)
      .addHelpText('after', examples.reproduce)
      .action(async (id: string, options: ReproduceCommandOptions) => {
        const { runReproduce } = await import('./run-reproduce.ts');
        await runReproduce(context, options, id, onLegs);
      });
  };
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400))
    throw new InvalidArgumentError('A number of seconds from 0 to 86400 was expected.');
  return value;
}
