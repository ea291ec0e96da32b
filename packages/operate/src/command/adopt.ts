import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { type CommandContext, groups } from './command-context.ts';
import { CommandError } from './command-error.ts';
import { examples } from './help-texts.ts';
import type { Streams } from './terminal.ts';

const codemod = '@changeover/adopt';

interface Codemod {
  readonly runAdopt: (
    args: readonly string[],
    streams: Pick<Streams, 'stdout' | 'stderr'>,
  ) => number;
}

/** `adopt`: the codemod's, where the project has it installed. It brings a compiler along, which no running program needs. */
export function addAdopt(program: Command, context: CommandContext): void {
  program
    .command('adopt')
    .helpGroup(groups.other)
    .description("put a bridge in the place of a module's singleton (by @changeover/adopt)")
    .argument('[words...]', 'the file and its options')
    .allowUnknownOption()
    .helpOption(false)
    .addHelpText('after', examples.adopt)
    .action(async (words: readonly string[]) => {
      const { runAdopt } = await installedCodemod(words);
      context.exitCode = runAdopt(words, context.streams);
    });
}

/** @throws {CommandError} that says what to type, where the codemod is not installed. */
async function installedCodemod(words: readonly string[]): Promise<Codemod> {
  // From the project that it changes; this package has no such dependency.
  const project = createRequire(join(process.cwd(), 'package.json'));
  let path: string;
  try {
    path = project.resolve(codemod);
  } catch {
    throw new CommandError(
      `The codemod is a package of its own. Type: npx ${[codemod, ...words].join(' ')}`,
    );
  }
  return (await import(pathToFileURL(path).href)) as Codemod;
}
