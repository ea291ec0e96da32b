import { type Command, Option } from 'commander';
import { allKeys, keyTarget, stages } from '@changeover/core';
import {
  changeOptions,
  type ChangeOptions,
  type ChangingOptions,
  type CommandContext,
  backendArgument,
  groups,
  withReason,
} from './command-context.ts';
import { examples } from './help-texts.ts';
import { hold, resume, resumeWhole, type Subject } from './hold.ts';
import { type Migration, requireLedger } from './migration.ts';
import { type KeyName, promote } from './promote.ts';
import { datasetNamed, backendNamed } from './subject.ts';
import type { Terminal } from './terminal.ts';

interface SubjectOptions extends ChangingOptions {
  readonly unseen?: boolean;
}

type Change<Of = Subject> = (
  migration: Migration,
  terminal: Terminal,
  subject: Of,
  options: ChangeOptions,
) => Promise<void>;

/** `promote`, `hold`, `rollback`, `kill`, `resume`: each moves or holds datasets, and is a line of the ledger. */
export function addChangeCommands(program: Command, context: CommandContext): void {
  const command = (name: string, dataset: string | undefined): Command => {
    const made = withReason(program.command(name))
      .helpGroup(groups.change)
      .addArgument(backendArgument());
    return dataset === undefined
      ? made
      : made.argument(dataset).option('--unseen', 'accept a dataset that has not been called yet');
  };
  command('promote', '<dataset>')
    .description('move a dataset one stage forward, past its gates')
    .option('--force', 'go forward although the gates do not hold')
    .addHelpText('after', examples.promote)
    .action(
      (backend: string, dataset: string, options: SubjectOptions & { readonly force?: boolean }) =>
        changeKey(context, backend, dataset, options, (migration, terminal, key, given) =>
          promote(migration, terminal, key, { ...given, force: options.force === true }),
        ),
    );
  command('hold', '<dataset>')
    .description('keep a dataset from going further than it is')
    .addOption(
      new Option('--at <stage>', 'no further than this; default: the stage that it is on').choices(
        stages,
      ),
    )
    .addHelpText('after', examples.hold)
    .action(
      (
        backend: string,
        dataset: string,
        options: SubjectOptions & { readonly at?: (typeof stages)[number] },
      ) =>
        changeKey(
          context,
          backend,
          dataset,
          options,
          asSubject((migration, terminal, subject, given) =>
            hold(migration, terminal, subject, { ...given, at: options.at }),
          ),
        ),
    );
  command('rollback', '<dataset>')
    .description('put a dataset back to legacy at once, and hold it there')
    .addHelpText('after', examples.rollback)
    .action((backend: string, dataset: string, options: SubjectOptions) =>
      changeKey(context, backend, dataset, options, asSubject(holdAtLegacy)),
    );
  command('kill', undefined)
    .description('put all datasets of a backend back to legacy at once, and hold them there')
    .addHelpText('after', examples.kill)
    .action((backend: string, options: SubjectOptions) =>
      changeWhole(context, backend, options, holdAtLegacy),
    );
  command('resume', '[dataset]')
    .description('end a hold: the flag decides again')
    .addHelpText('after', examples.resume)
    .action((backend: string, dataset: string | undefined, options: SubjectOptions) =>
      dataset === undefined
        ? changeWhole(context, backend, options, resumeWhole)
        : changeKey(context, backend, dataset, options, asSubject(resume)),
    );
}

const holdAtLegacy: Change = (migration, terminal, subject, options) =>
  hold(migration, terminal, subject, { ...options, at: 'legacy' });

function asSubject(make: Change): Change<KeyName> {
  return (migration, terminal, { backend, dataset }, options) =>
    make(migration, terminal, { backend, target: keyTarget(dataset) }, options);
}

async function changeKey(
  context: CommandContext,
  typedBackend: string,
  typedDataset: string,
  options: SubjectOptions,
  make: Change<KeyName>,
): Promise<void> {
  const given = changeOptions(options);
  await context.withMigration(options, (migration, terminal) => {
    requireLedger(migration);
    const backend = backendNamed(migration, typedBackend);
    const dataset = datasetNamed(migration, backend, typedDataset, options.unseen === true);
    return make(migration, terminal, { backend, dataset }, given);
  });
}

async function changeWhole(
  context: CommandContext,
  typedBackend: string,
  options: SubjectOptions,
  make: Change,
): Promise<void> {
  const given = changeOptions(options);
  await context.withMigration(options, (migration, terminal) => {
    requireLedger(migration);
    const backend = backendNamed(migration, typedBackend);
    return make(migration, terminal, { backend, target: allKeys }, given);
  });
}
