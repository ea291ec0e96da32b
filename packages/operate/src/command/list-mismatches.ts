import { counted, type SampleGroup } from '@changeover/bridge';
import { mismatchLines, unexplainedTitle } from '../report/text-report.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { type Migration, requireStore } from './migration.ts';
import { backendNamed, keyNamed } from './subject.ts';
import type { Terminal } from './terminal.ts';

const mostShown = 50;

/** Lists what differed: `changeover mismatches`. */
export async function listMismatches(
  context: CommandContext,
  options: CommonOptions,
  backend: string | undefined,
  key: string | undefined,
): Promise<void> {
  requireStore(await context.place(options));
  await context.withMigration(options, (migration, terminal) => {
    const name = backend === undefined ? undefined : backendNamed(migration, backend);
    const known =
      name === undefined || key === undefined
        ? undefined
        : keyNamed(migration, name, key, undefined);
    showMismatches(migration, terminal, name, known);
  });
}

function showMismatches(
  migration: Migration,
  terminal: Terminal,
  backend: string | undefined,
  key: string | undefined,
): void {
  const asked = (migration.recordings?.sampleGroups ?? []).filter(
    (group) =>
      (backend === undefined || group.backend === backend) &&
      // Where mismatches of many keys are one, their samples say of which.
      (key === undefined ||
        (group.key ?? key) === key ||
        group.samples.some(({ dataset }) => dataset === key)),
  );
  const mismatches = asked.filter(({ verdict }) => verdict === 'mismatch');
  const unexplained = asked.filter(({ verdict }) => verdict === 'inconclusive');
  const found = [...mismatches, ...unexplained];
  terminal.answer(
    [
      ...(mismatches.length === 0 ? ['No mismatch was recorded.'] : listed(mismatches)),
      ...(unexplained.length === 0 ? [] : ['', `${unexplainedTitle}:`, ...listed(unexplained)]),
    ],
    {
      mismatches,
      unexplained,
      next: found
        .filter(({ samples }) => samples.at(-1)?.call?.kind === 'read')
        .slice(0, mostShown)
        .map(({ id }) => `changeover reproduce ${id}`),
    },
  );
}

function listed(groups: readonly SampleGroup[]): string[] {
  const left = groups.length - mostShown;
  return [
    ...groups.slice(0, mostShown).flatMap(mismatchLines),
    ...(left > 0 ? [`and ${counted(left, 'more', 'more')}: --format json has all`] : []),
  ];
}
