import { type Command, Option } from 'commander';
import { allKeys, keyTarget, type Stage, stages } from '@changeover/core';
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
import { hold, type Subject } from './hold.ts';
import { type Migration, requireLedger } from './migration.ts';
import { type KeyName, promote } from './promote.ts';
import { resume, resumeWhole } from './resume.ts';
import { acceptableNamed, backendNamed, keyNamed } from './subject.ts';
import type { Terminal } from './terminal.ts';

interface SubjectOptions extends ChangingOptions {
  readonly unseen?: boolean;
}

interface ResumeSubjectOptions extends SubjectOptions {
  readonly force?: boolean;
  readonly to?: Stage;
}

interface PromoteSubjectOptions extends ResumeSubjectOptions {
  readonly accept: readonly string[];
}

type Change<Of = Subject> = (
  migration: Migration,
  terminal: Terminal,
  subject: Of,
  options: ChangeOptions,
) => Promise<void>;

/** `promote`, `hold`, `rollback`, `kill`, `resume`: each moves or holds keys, and is a line of the ledger. */
export function addChangeCommands(program: Command, context: CommandContext): void {
  const command = (name: string, key: string | undefined): Command => {
    const made = withReason(program.command(name))
      .helpGroup(groups.change)
      .addArgument(backendArgument());
    return key === undefined
      ? made
      : made.argument(key).option('--unseen', 'accept a key that has not been called yet');
  };
  command('promote', '<key>')
    .description('move a key one stage forward, past its gates')
    .option('--force', 'go forward although the gates do not hold, or past a stage')
    .addOption(toOption('one stage forward'))
    .option(
      '--accept <operation>',
      'let an operation that nothing compares pass, or as guarantee:session what is relied on and not kept; may be given several times',
      (name: string, others: readonly string[]) => [...others, name],
      [] as readonly string[],
    )
    .addHelpText('after', examples.promote)
    .action((backend: string, key: string, options: PromoteSubjectOptions) =>
      changeKey(context, backend, key, options, (migration, terminal, subject, given) => {
        const accept = options.accept.map((name) =>
          acceptableNamed(migration, subject.backend, name, options.unseen === true),
        );
        const { to, force = false } = options;
        return promote(migration, terminal, subject, { ...given, force, to, accept });
      }),
    );
  command('hold', '<key>')
    .description('keep a key from going further than it is')
    .addOption(
      new Option('--at <stage>', 'no further than this; default: the stage that it is on').choices(
        stages,
      ),
    )
    .addHelpText('after', examples.hold)
    .action(
      (
        backend: string,
        key: string,
        options: SubjectOptions & { readonly at?: (typeof stages)[number] },
      ) =>
        changeKey(
          context,
          backend,
          key,
          options,
          asSubject((migration, terminal, subject, given) =>
            hold(migration, terminal, subject, { ...given, at: options.at }),
          ),
        ),
    );
  command('rollback', '<key>')
    .description('put a key back to legacy at once, and hold it there')
    .addHelpText('after', examples.rollback)
    .action((backend: string, key: string, options: SubjectOptions) =>
      changeKey(context, backend, key, options, asSubject(holdAtLegacy)),
    );
  command('kill', undefined)
    .description('put all keys of a backend back to legacy at once, and hold them there')
    .addHelpText('after', examples.kill)
    .action((backend: string, options: SubjectOptions) =>
      changeWhole(context, backend, options, holdAtLegacy),
    );
  command('resume', '[key]')
    .description('end a hold: the key goes to shadow, and on from there past its gates')
    .addOption(toOption('shadow, or where it is held if that is later'))
    .option('--force', 'go further than shadow at once')
    .addHelpText('after', examples.resume)
    .action((backend: string, key: string | undefined, options: ResumeSubjectOptions) => {
      const { to, force = false } = options;
      const asked =
        (make: typeof resume): Change =>
        (migration, terminal, subject, given) =>
          make(migration, terminal, subject, { ...given, to, force });
      return key === undefined
        ? changeWhole(context, backend, options, asked(resumeWhole))
        : changeKey(context, backend, key, options, asSubject(asked(resume)));
    });
}

function toOption(otherwise: string): Option {
  return new Option('--to <stage>', `the stage to go to; default: ${otherwise}`).choices(stages);
}

const holdAtLegacy: Change = (migration, terminal, subject, options) =>
  hold(migration, terminal, subject, { ...options, at: 'legacy' });

function asSubject(make: Change): Change<KeyName> {
  return (migration, terminal, { backend, key }, options) =>
    make(migration, terminal, { backend, target: keyTarget(key) }, options);
}

async function changeKey(
  context: CommandContext,
  typedBackend: string,
  typedKey: string,
  options: SubjectOptions,
  make: Change<KeyName>,
): Promise<void> {
  const given = changeOptions(options);
  await context.withMigration(options, (migration, terminal) => {
    requireLedger(migration);
    const backend = backendNamed(migration, typedBackend);
    const key = keyNamed(migration, backend, typedKey, options.unseen === true);
    return make(migration, terminal, { backend, key }, given);
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
