import type { Command } from 'commander';
import {
  changeOptions,
  type ChangingOptions,
  type CommandContext,
  type CommonOptions,
  groups,
  withFormat,
  withReason,
} from './command-context.ts';
import { examples } from './help-texts.ts';

/** `flags example`, `validate`, `plan`, `apply`, `pull`. */
export function addFlagsCommands(program: Command, context: CommandContext): void {
  const flags = program
    .command('flags')
    .helpGroup(groups.flags)
    .description('check flags, see what they would change, put them in use')
    .addHelpText('after', examples.flags);
  flags
    .command('example')
    .description('a flags file to begin with: everything on legacy')
    .argument('<backends...>', 'the names of your bridges')
    .addHelpText('after', examples.flagsExample)
    .action(async (backends: readonly string[]) => {
      const { exampleFlags } = await import('./example-flags.ts');
      context.streams.stdout.write(exampleFlags(backends));
    });
  withFormat(flags.command('validate'))
    .description('check a flags file')
    .argument('[file]', 'default: the flags file in use')
    .addHelpText('after', examples.flagsValidate)
    .action(async (file: string | undefined, options: CommonOptions) => {
      const { validateFlags } = await import('./read-flags.ts');
      const { flagsFile } = await context.place(options);
      const terminal = await context.terminal(options);
      context.exitCode = validateFlags(file ?? flagsFile, flagsFile, terminal);
    });
  withFormat(flags.command('plan'))
    .description('what would change with this file')
    .argument('<file>')
    .addHelpText('after', examples.flagsPlan)
    .action(async (file: string, options: CommonOptions) => {
      const [{ planFlags }, { readFlags }] = await Promise.all([
        import('./apply-flags.ts'),
        import('./read-flags.ts'),
      ]);
      await context.withMigration(options, (migration, terminal) => {
        return planFlags(migration, readFlags(file), file, terminal);
      });
    });
  withReason(flags.command('apply'))
    .description('put this file in use: as the flags file, or on the flag server')
    .argument('<file>')
    .option('--force', 'let flags that decide alone move keys past stages and gates')
    .addHelpText('after', examples.flagsApply)
    .action(async (file: string, options: ChangingOptions & { readonly force?: boolean }) => {
      const given = { ...changeOptions(options), force: options.force };
      const [{ applyFlags }, { readFlags }, { requireLedger }] = await Promise.all([
        import('./apply-flags.ts'),
        import('./read-flags.ts'),
        import('./migration.ts'),
      ]);
      await context.withMigration(options, (migration, terminal) => {
        requireLedger(migration);
        return applyFlags(migration, readFlags(file), file, terminal, given);
      });
    });
  withReason(flags.command('pull'))
    .description("write the flag server's flags into the flags file, for when it is away")
    .option('--output <file>', 'default: the flags file in use')
    .addHelpText('after', examples.flagsPull)
    .action(async (options: ChangingOptions & { readonly output?: string }) => {
      const given = changeOptions(options);
      const [{ pullFlags }, { requireLedger }] = await Promise.all([
        import('./pull-flags.ts'),
        import('./migration.ts'),
      ]);
      await context.withMigration(options, (migration, terminal) => {
        requireLedger(migration);
        return pullFlags(migration, options.output ?? migration.place.flagsFile, terminal, given);
      });
    });
}
