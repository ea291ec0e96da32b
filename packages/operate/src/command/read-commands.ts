import { Option, type Command } from 'commander';
import {
  type CommandContext,
  type CommonOptions,
  backendArgument,
  groups,
  withFormat,
} from './command-context.ts';
import { explain } from './explain.ts';
import { examples } from './help-texts.ts';
import { showHistory } from './history.ts';
import { showStatus } from './status.ts';
import { datasetNamed, backendNamed, limitNamed, operationNamed } from './subject.ts';

/** `status`, `explain`, `history`: they look and change nothing. */
export function addReadCommands(program: Command, context: CommandContext): void {
  withFormat(program.command('status'))
    .helpGroup(groups.look)
    .description('every dataset: its stage, why, and what was measured')
    .addHelpText('after', examples.status)
    .action(async (options: CommonOptions) => {
      await context.withMigration(options, showStatus);
    });
  withFormat(program.command('explain'))
    .helpGroup(groups.look)
    .description('why a dataset is on its stage, and how to change that')
    .addArgument(backendArgument())
    .argument('<dataset>')
    .argument('[operation]', 'for this operation alone, as in readTable')
    .option('--unseen', 'accept names that have not been called yet')
    .addHelpText('after', examples.explain)
    .action(
      async (
        backend: string,
        dataset: string,
        operation: string | undefined,
        options: CommonOptions & { readonly unseen?: boolean },
      ) => {
        await context.withMigration(options, (migration, terminal) => {
          const name = backendNamed(migration, backend);
          const narrowed =
            operation === undefined
              ? undefined
              : operationNamed(migration, name, operation, options.unseen === true);
          explain(
            migration,
            terminal,
            name,
            datasetNamed(migration, name, dataset, options.unseen === true),
            narrowed,
          );
        });
      },
    );
  withFormat(program.command('history'))
    .helpGroup(groups.look)
    .description('the ledger: what moved, by whom, when and why')
    .argument('[backend]', 'the name of a bridge; default: all')
    .argument('[dataset]', 'default: all')
    .addOption(new Option('--limit <lines>', 'the latest ones').default('50'))
    .addHelpText('after', examples.history)
    .action(
      async (
        backend: string | undefined,
        dataset: string | undefined,
        options: CommonOptions & { readonly limit: string },
      ) => {
        const limit = limitNamed(options.limit);
        await context.withMigration(options, (migration, terminal) => {
          const name = backend === undefined ? undefined : backendNamed(migration, backend);
          const known =
            name === undefined || dataset === undefined
              ? undefined
              : datasetNamed(migration, name, dataset, false);
          showHistory(migration, terminal, { backend: name, dataset: known, limit });
        });
      },
    );
}
