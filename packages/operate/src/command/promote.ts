import { keyTarget, stages, type Stage } from '@changeover/core';
import {
  acceptRevision,
  isBefore,
  type KeyName,
  type KeyVerdict,
  type LedgerChange,
  openUnleashAdmin,
  type StepAnswer,
  stepForward,
  targetOfRow,
  typedKey,
  typedWord,
} from '@changeover/bridge';
import { CommandError, exitCodes } from './command-error.ts';
import type { ChangeOptions } from './command-context.ts';
import { type Migration, requireLedger, type KeyStatus } from './migration.ts';
import { moveInFlagsFile } from './move-in-flags-file.ts';
import { answerChange, showPlan } from './plan.ts';
import type { Terminal } from './terminal.ts';
import { flagsChanged, writeLedger } from './write-ledger.ts';

/** `force` goes past the gates and past stages, which the ledger then says. */
export interface PromoteOptions extends ChangeOptions {
  readonly force: boolean;
  /** Default: one stage forward. */
  readonly to?: Stage | undefined;
  /** Operations of the key that need no comparisons from now on. Default: none. */
  readonly accept?: readonly string[] | undefined;
}

/**
 * Moves a key one stage forward, past its gates: `changeover promote`. The flag must ask for it, so the flags
 * file gets a strategy for this key where it doesn't ask yet. What is accepted is written in the ledger in any case.
 *
 * @throws {CommandError} with the exit code of the gates where they don't hold.
 */
export async function promote(
  migration: Migration,
  terminal: Terminal,
  subject: KeyName,
  options: PromoteOptions,
): Promise<void> {
  requireLedger(migration);
  const { backend, key } = subject;
  const keyStatus = migration.keyStatus(backend, key);
  const from = keyStatus.stage;
  refuseHeld(keyStatus);
  const to = options.to ?? stages[stages.indexOf(from) + 1];
  if (to === undefined || !isBefore(from, to)) {
    answerChange(terminal, { text: [alreadyThere(subject, from)], next: [backCommand(subject)] });
    return;
  }
  const accept = options.accept ?? [];
  const judge = (stage: Stage): KeyVerdict =>
    migration.judge({ ...subject, operations: accept }).key(backend, key, stage);
  const answer = stepForward({ from, to, force: options.force }, judge);
  if (answer.kind === 'refused') {
    if (accept.length > 0 && !options.plan) await recordAcceptance(migration, keyStatus, options);
    throw refused(subject, answer, options.plan ? [] : accept);
  }
  const { gates, forced } = answer;
  const asks = !isBefore(keyStatus.flag.stage, to);
  const edits = asks
    ? []
    : [
        `write a strategy for ${key} into ${migration.place.unleashUrl ?? migration.place.flagsFile}`,
      ];
  const plan = [{ backend, key, from, to }];
  if (options.plan) {
    answerChange(terminal, {
      plan,
      showPlan: true,
      text: [gates, ...edits.map((edit) => `It would ${edit}.`), 'Nothing was changed.'],
      next: [backCommand(subject)],
    });
    return;
  }
  // Before the plan is shown as one that is done: flags that can't be changed end it here.
  const flags = asks ? undefined : await askInFlag(migration, subject, to);
  showPlan(terminal, plan);
  const change = await record(
    migration,
    keyStatus,
    { to, who: options.who, reason: reasonText(options, forced), accept },
    flags !== undefined,
  );
  answerChange(terminal, {
    plan,
    change,
    text: [
      `${backend} ${key}: ${from} → ${terminal.paint('bold', to)}. ${gates}`,
      ...(flags === undefined ? [] : [`${flags} has a strategy for ${key} now.`]),
      'Running programs that read these flags follow within a few seconds.',
      `The way back: ${backCommand(subject)}`,
    ],
    next: [backCommand(subject)],
    more: { flags: flags ?? null, forced },
  });
}

function alreadyThere(subject: KeyName, stage: Stage): string {
  const { backend, key } = subject;
  return stage === 'pooled'
    ? `${backend} ${key} is on pooled, the last stage, already.`
    : `${backend} ${key} is on ${stage} already. Back: ${backCommand(subject)}`;
}

function backCommand(subject: KeyName): string {
  return `changeover rollback ${typedKey(subject)} --reason "..."`;
}

/** The reason as the ledger keeps it: whatever went past the gates is said beside it. */
function reasonText({ reason, accept = [] }: PromoteOptions, forced: boolean): string {
  return [
    reason,
    ...(accept.length > 0 ? [`(accepted without comparison: ${accept.join(', ')})`] : []),
    ...(forced ? ['(forced)'] : []),
  ].join(' ');
}

/** How a step that the gates refuse is told, with the code of `changeover gate`. */
export function refused(
  subject: KeyName,
  { decision, reason, next }: Extract<StepAnswer, { kind: 'refused' }>,
  accepted: readonly string[] = [],
): CommandError {
  const changed =
    accepted.length === 0
      ? 'Nothing was changed.'
      : `Accepted, and in the ledger: ${accepted.join(', ')}; no stage was changed.`;
  const help = next.map((command) => `Then type: ${command}.`).join(' ');
  return new CommandError(
    `The gates say ${decision}: ${reason} ${changed} ${help === '' ? '' : `${help} `}See: changeover gate ${typedKey(subject)}. ` +
      'To go forward in spite of them add --force; the ledger will say so.',
    decision === 'INCONCLUSIVE' ? exitCodes.inconclusive : exitCodes.gateFailed,
  );
}

function refuseHeld({ backend, key, line }: KeyStatus): void {
  if (line?.held !== true) return;
  const whole =
    targetOfRow(line.dataset).kind === 'all' ? typedWord(backend) : typedKey({ backend, key });
  throw new CommandError(
    `${backend} ${key} is held at ${line.to} by ${line.who}: ${line.reason}. End that first: ` +
      `changeover resume ${whole} --reason "..."`,
  );
}

/** The key stays where it is, and its operations need no comparisons from now on. */
function recordAcceptance(
  migration: Migration,
  keyStatus: KeyStatus,
  options: PromoteOptions,
): Promise<LedgerChange | undefined> {
  const { who, accept = [] } = options;
  const step = { to: keyStatus.stage, who, reason: reasonText(options, false), accept };
  return record(migration, keyStatus, step, false);
}

/** @returns where the flag now asks for it. */
async function askInFlag(
  { place }: Migration,
  { backend, key }: KeyName,
  to: Stage,
): Promise<string> {
  if (place.unleashUrl === undefined) {
    moveInFlagsFile(place.flagsFile, backend, key, to);
    return place.flagsFile;
  }
  const admin = openUnleashAdmin(place);
  if (admin === undefined) {
    throw new CommandError(
      `The flags come from ${place.unleashUrl}: put ${key} on ${to} there, in the flag ` +
        `changeover.${backend}, by a strategy with the constraint dataset IN ${key}; or set UNLEASH_ADMIN_TOKEN. Nothing was changed.`,
    );
  }
  try {
    await admin.move(backend, key, to);
    return place.unleashUrl;
  } catch (error) {
    throw new CommandError(`Nothing was changed: ${(error as Error).message}`);
  }
}

interface RecordedStep {
  readonly to: Stage;
  readonly who: string;
  readonly reason: string;
  readonly accept: readonly string[];
}

async function record(
  migration: Migration,
  { backend, key, stage: from }: KeyStatus,
  { to, who, reason, accept }: RecordedStep,
  flagChanged: boolean,
): Promise<LedgerChange | undefined> {
  const known = migration.lastLine(backend, keyTarget(key))?.sequence ?? 0;
  const flags = flagChanged ? `, though its flag asks for ${to} now` : '';
  return writeLedger(
    migration,
    backend,
    keyTarget(key),
    (last) => {
      // A guardrail, or a person, was faster: their hold is the later word.
      if (last?.held === true) {
        throw new CommandError(
          `${backend} ${key} was held at ${last.to} meanwhile by ${last.who}: ${last.reason}. It stays there${flags}.`,
        );
      }
      const moved = last !== undefined && last.sequence !== known ? last : undefined;
      const at = moved?.to ?? from;
      // A running program may have followed the flag first, on the same way: the step, and why, is written after it. What it did
      // else is a later word, and the gates' answer was of another stage.
      if (
        moved !== undefined &&
        at !== from &&
        !(moved.who === 'flag' && isBefore(from, at) && !isBefore(to, at))
      ) {
        throw new CommandError(
          `${backend} ${key} was moved to ${at} meanwhile by ${moved.who}: ${moved.reason}. It stays there${flags}.`,
        );
      }
      return {
        at: Date.now(),
        backend,
        dataset: key,
        from: at,
        to,
        held: false,
        who,
        reason,
        revision: accept.length > 0 ? acceptRevision(accept) : migration.flags.status().revision,
      };
    },
    flagChanged ? flagsChanged : undefined,
  );
}
