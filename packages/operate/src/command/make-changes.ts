import type { KeyName } from '@changeover/bridge';
import { allKeys, keyTarget, type Stage } from '@changeover/core';
import {
  changeOptions,
  type ChangeOptions,
  type ChangingOptions,
  type CommandContext,
} from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { hold, holdAll } from './hold.ts';
import { acceptableNamed, backendNamed, keyNamed, type Subject } from './subject.ts';
import { type Migration, type Reading, requireLedger } from './migration.ts';
import { promote } from './promote.ts';
import { resume, resumeWhole } from './resume.ts';
import type { Terminal } from './terminal.ts';

/** What each change of a key lets a person type. */
export interface SubjectOptions extends ChangingOptions {
  readonly unseen?: boolean;
}

/** What `resume` lets a person type. */
export interface ResumeSubjectOptions extends SubjectOptions {
  readonly force?: boolean;
  readonly to?: Stage;
}

/** What `promote` lets a person type. */
export interface PromoteSubjectOptions extends ResumeSubjectOptions {
  readonly accept: readonly string[];
}

/** What `hold` lets a person type. */
export interface HoldSubjectOptions extends SubjectOptions {
  readonly at?: Stage;
}

/** What `kill` lets a person type. */
export interface KillOptions extends ChangingOptions {
  readonly all?: boolean;
}

type Change<Of = Subject> = (
  migration: Migration,
  terminal: Terminal,
  subject: Of,
  options: ChangeOptions,
) => Promise<void>;

/** `changeover promote`. */
export async function promoteKey(
  context: CommandContext,
  backend: string,
  key: string,
  options: PromoteSubjectOptions,
): Promise<void> {
  await changeKey(context, backend, key, options, (migration, terminal, subject, given) => {
    const accept = options.accept.map((name) =>
      acceptableNamed(migration, subject.backend, name, options.unseen === true),
    );
    const { to, force = false } = options;
    return promote(migration, terminal, subject, { ...given, force, to, accept });
  });
}

/** `changeover hold`. */
export async function holdKey(
  context: CommandContext,
  backend: string,
  key: string,
  options: HoldSubjectOptions,
): Promise<void> {
  const make: Change = (migration, terminal, subject, given) =>
    hold(migration, terminal, subject, { ...given, at: options.at });
  await changeKey(context, backend, key, options, asSubject(make), 'names');
}

/** `changeover rollback`. */
export async function rollBackKey(
  context: CommandContext,
  backend: string,
  key: string,
  options: SubjectOptions,
): Promise<void> {
  await changeKey(context, backend, key, options, asSubject(holdAtLegacy), 'names');
}

/** `changeover kill`, of one backend or of all. */
export async function killBackends(
  context: CommandContext,
  backend: string | undefined,
  { all = false, ...options }: KillOptions,
): Promise<void> {
  const given = changeOptions(options);
  if (all === (backend !== undefined)) {
    throw new CommandError(
      all
        ? `Either --all or the backend ${String(backend)}: one of them says what is put back.`
        : 'Name the backend, as in: changeover kill notes --reason "pager". Every one: changeover kill --all --reason "pager"',
      exitCodes.usage,
    );
  }
  if (backend !== undefined) {
    await changeWhole(context, backend, options, holdAtLegacy, 'names');
    return;
  }
  const killAll = async (migration: Migration, terminal: Terminal): Promise<void> => {
    requireLedger(migration);
    const subjects = migration.backends.map((name) => ({ backend: name, target: allKeys }));
    if (subjects.length === 0) throw new CommandError(noBackend);
    await holdAll(migration, terminal, subjects, { ...given, at: 'legacy' });
  };
  await context.withMigration(options, killAll, 'names');
}

/** `changeover resume`. */
export async function resumeSubject(
  context: CommandContext,
  backend: string,
  key: string | undefined,
  options: ResumeSubjectOptions,
): Promise<void> {
  const { to, force = false } = options;
  const asked =
    (make: typeof resume): Change =>
    (migration, terminal, subject, given) =>
      make(migration, terminal, subject, { ...given, to, force });
  if (key === undefined) await changeWhole(context, backend, options, asked(resumeWhole));
  else await changeKey(context, backend, key, options, asSubject(asked(resume)));
}

const noBackend =
  'No backend is known: none was called, was moved, or has a flag. Is it the store of your program? Name it with --store PLACE.';

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
  reading?: Reading,
): Promise<void> {
  const given = changeOptions(options);
  const change = (migration: Migration, terminal: Terminal): Promise<void> => {
    requireLedger(migration);
    const backend = backendNamed(migration, typedBackend);
    const key = keyNamed(migration, backend, typedKey, options.unseen === true);
    return make(migration, terminal, { backend, key }, given);
  };
  await context.withMigration(options, change, reading);
}

async function changeWhole(
  context: CommandContext,
  typedBackend: string,
  options: SubjectOptions,
  make: Change,
  reading?: Reading,
): Promise<void> {
  const given = changeOptions(options);
  const change = (migration: Migration, terminal: Terminal): Promise<void> => {
    requireLedger(migration);
    const backend = backendNamed(migration, typedBackend);
    return make(migration, terminal, { backend, target: allKeys }, given);
  };
  await context.withMigration(options, change, reading);
}
