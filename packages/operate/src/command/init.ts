import { type Command, Option } from 'commander';
import { type AddSubcommand, type CommandContext, groups } from './command-context.ts';
import type { InitHandle } from './init-handle.ts';
import type { InitOptions } from './make-project.ts';

const examples = `
It never changes a file that is there: it says what is missing in it.

Examples:
  $ changeover init --plan
  $ changeover init
  $ changeover init --name orders`;

/**
 * `init`: flags and an example wiring for the handle that package.json names.
 *
 * @param handles in the order in which they are looked for; where none is found, it is a singleton of the program's own.
 */
export function addInit(handles: readonly InitHandle[]): AddSubcommand {
  return (program: Command, context: CommandContext) => {
    program
      .command('init')
      .helpGroup(groups.other)
      .description('begin: a flags file and an example wiring for what your project uses')
      .option('--folder <folder>', 'the project, with its package.json', '.')
      .option('--name <name>', "the bridge's name; its flag is changeover.NAME")
      .addOption(
        new Option(
          '--handle <package>',
          'wire this one; default: the first that package.json names',
        ).choices([...handles.flatMap(({ packageName }) => packageName ?? []), 'own']),
      )
      .option('--plan', 'show what would be made, and make nothing')
      .addOption(
        new Option('--format <format>', 'how the answer is written')
          .choices(['text', 'json'])
          .default('text'),
      )
      .addHelpText('after', examples)
      .action(async (options: InitOptions) => {
        const { makeProject } = await import('./make-project.ts');
        makeProject(handles, await context.terminal(options), options);
      });
  };
}
