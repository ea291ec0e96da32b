import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type CommandContext, type CommonOptions, groups, withFormat } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { examples } from './help-texts.ts';

const dayMs = 86_400_000;
const units: Readonly<Record<string, number>> = { '': dayMs, d: dayMs, h: 3_600_000, m: 60_000 };

/** `finish`: whether a migration is over, and what is left to delete. */
export function addFinish(program: Command, context: CommandContext): void {
  withFormat(program.command('finish'))
    .helpGroup(groups.decide)
    .description('whether every key has stood at pooled long enough, and what is left to delete')
    .argument('[backend]', 'the name of a bridge; default: all')
    .option('--after <time>', 'how long at pooled is enough: 7d, 12h, 30m', '7d')
    .option('--source <folder>', "the program's sources", '.')
    .addHelpText('after', examples.finish)
    .action(
      async (
        backend: string | undefined,
        options: CommonOptions & { readonly after: string; readonly source: string },
      ) => {
        const afterMs = timeNamed(options.after);
        const folder = resolve(options.source);
        if (!existsSync(folder))
          throw new CommandError(`There is no folder ${options.source}.`, exitCodes.usage);
        const [{ finish }, { backendNamed }] = await Promise.all([
          import('./finish.ts'),
          import('./subject.ts'),
        ]);
        await context.withMigration(options, (migration, terminal) => {
          const name = backend === undefined ? undefined : backendNamed(migration, backend);
          const ready = finish(migration, terminal, {
            backend: name,
            afterMs,
            folder,
            now: Date.now(),
          });
          context.exitCode = {
            ready: exitCodes.done,
            'not yet': exitCodes.gateFailed,
            unknown: exitCodes.inconclusive,
          }[ready];
        });
      },
    );
}

/** @throws {CommandError} for what is no time. */
function timeNamed(typed: string): number {
  const match = /^(\d+(?:\.\d+)?)([dhm]?)$/.exec(typed.trim());
  if (match === null)
    throw new CommandError(
      `--after is ${JSON.stringify(typed.slice(0, 80))}: write a time such as 7d, 12h or 30m.`,
      exitCodes.usage,
    );
  return Number(match[1]) * (units[match[2] ?? ''] ?? dayMs);
}
