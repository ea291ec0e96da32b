import type { Command } from 'commander';
import { type CommandContext, type CommonOptions, groups, withFormat } from './command-context.ts';
import { examples } from './help-texts.ts';

/** `mismatches`: what differed, each with its call and the id that `reproduce` takes. */
export function addMismatches(program: Command, context: CommandContext): void {
  withFormat(program.command('mismatches'))
    .helpGroup(groups.look)
    .description('where the legs differed: each call, how often, and the id to run it again by')
    .argument('[backend]', 'the name of a bridge; default: all')
    .argument('[key]', 'default: all')
    .addHelpText('after', examples.mismatches)
    .action(
      async (backend: string | undefined, key: string | undefined, options: CommonOptions) => {
        const { listMismatches } = await import('./list-mismatches.ts');
        await listMismatches(context, options, backend, key);
      },
    );
}
