import { Option, type Command } from 'commander';
import {
  type CommandContext,
  type CommonOptions,
  backendArgument,
  groups,
  keyArgument,
  withFormat,
} from './command-context.ts';
import { examples } from './help-texts.ts';

/** `status`, `explain`, `history`: they look and change nothing. */
export function addReadCommands(program: Command, context: CommandContext): void {
  withFormat(program.command('status'))
    .helpGroup(groups.look)
    .description('every key: its stage, why, and what was measured')
    .argument('[backend]', 'the name of a bridge; default: all')
    .argument('[key]', 'default: all')
    .option('--held', 'those alone that are held')
    .addHelpText('after', examples.status)
    .action(
      async (
        backend: string | undefined,
        key: string | undefined,
        options: CommonOptions & { readonly held?: boolean },
      ) => {
        const [{ showStatus }, { backendNamed, keyNamed }] = await Promise.all([
          import('./status.ts'),
          import('./subject.ts'),
        ]);
        await context.withMigration(options, (migration, terminal) => {
          const name = backend === undefined ? undefined : backendNamed(migration, backend);
          const known =
            name === undefined || key === undefined
              ? undefined
              : keyNamed(migration, name, key, undefined);
          showStatus(migration, terminal, { backend: name, key: known, held: options.held });
        });
      },
    );
  withFormat(program.command('explain'))
    .helpGroup(groups.look)
    .description('why a key is on its stage, and how to change that')
    .addArgument(backendArgument())
    .addArgument(keyArgument())
    .argument('[operation]', 'for this operation alone, as in readTable')
    .option('--unseen', 'accept names that have not been called yet')
    .addHelpText('after', examples.explain)
    .action(
      async (
        backend: string,
        key: string,
        operation: string | undefined,
        options: CommonOptions & { readonly unseen?: boolean },
      ) => {
        const [{ explain }, { backendNamed, keyNamed, operationNamed }] = await Promise.all([
          import('./explain.ts'),
          import('./subject.ts'),
        ]);
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
            keyNamed(migration, name, key, options.unseen === true),
            narrowed,
          );
        });
      },
    );
  withFormat(program.command('history'))
    .helpGroup(groups.look)
    .description('the ledger: what moved, by whom, when and why')
    .argument('[backend]', 'the name of a bridge; default: all')
    .argument('[key]', 'default: all')
    .addOption(new Option('--limit <lines>', 'the latest ones').default('50'))
    .addHelpText('after', examples.history)
    .action(
      async (
        backend: string | undefined,
        key: string | undefined,
        options: CommonOptions & { readonly limit: string },
      ) => {
        const [{ showHistory }, { backendNamed, keyNamed, limitNamed }, { requireStore }] =
          await Promise.all([
            import('./history.ts'),
            import('./subject.ts'),
            import('./migration.ts'),
          ]);
        const limit = limitNamed(options.limit);
        requireStore(await context.place(options));
        await context.withMigration(options, (migration, terminal) => {
          const name = backend === undefined ? undefined : backendNamed(migration, backend);
          const known =
            name === undefined || key === undefined
              ? undefined
              : keyNamed(migration, name, key, undefined);
          showHistory(migration, terminal, { backend: name, key: known, limit });
        });
      },
    );
}
