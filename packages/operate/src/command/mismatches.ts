import type { Command } from 'commander';
import { counted } from '@changeover/bridge';
import { mismatchLines } from '../report/text-report.ts';
import { type CommandContext, type CommonOptions, groups, withFormat } from './command-context.ts';
import { examples } from './help-texts.ts';
import { type Migration, requireStore } from './migration.ts';
import { backendNamed, keyNamed } from './subject.ts';
import type { Terminal } from './terminal.ts';

const mostShown = 50;

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
        requireStore(await context.place(options));
        await context.withMigration(options, (migration, terminal) => {
          const name = backend === undefined ? undefined : backendNamed(migration, backend);
          const known =
            name === undefined || key === undefined
              ? undefined
              : keyNamed(migration, name, key, false);
          showMismatches(migration, terminal, name, known);
        });
      },
    );
}

function showMismatches(
  migration: Migration,
  terminal: Terminal,
  backend: string | undefined,
  key: string | undefined,
): void {
  const found = (migration.recordings?.sampleGroups ?? []).filter(
    (group) =>
      group.verdict === 'mismatch' &&
      (backend === undefined || group.backend === backend) &&
      // Where mismatches of many keys are one, their samples say of which.
      (key === undefined ||
        (group.key ?? key) === key ||
        group.samples.some(({ dataset }) => dataset === key)),
  );
  const left = found.length - mostShown;
  terminal.answer(
    found.length === 0
      ? ['No mismatch was recorded.']
      : [
          ...found.slice(0, mostShown).flatMap(mismatchLines),
          ...(left > 0 ? [`and ${counted(left, 'more', 'more')}: --format json has all`] : []),
        ],
    { mismatches: found },
  );
}
