import { keyTarget, stages, type Stage } from '@changeover/core';
import { type LedgerChange, targetOfRow } from '@changeover/bridge';
import { openUnleashAdmin } from '@changeover/bridge';
import { decideVerdict } from '@changeover/bridge';
import { usableGates } from './usable-gates.ts';
import { CommandError, exitCodes } from './command-error.ts';
import type { ChangeOptions } from './command-context.ts';
import { type Migration, requireLedger, type KeyStatus } from './migration.ts';
import { moveInFlagsFile } from './move-in-flags-file.ts';
import { answerChange, showPlan } from './plan.ts';
import type { Terminal } from './terminal.ts';
import { flagsChanged, writeLedger } from './write-ledger.ts';

/** One key of a backend. */
export interface KeyName {
  readonly backend: string;
  readonly key: string;
}

/** `force` goes past the gates, which the ledger then says. */
export interface PromoteOptions extends ChangeOptions {
  readonly force: boolean;
}

/**
 * Moves a key one stage forward, past its backend's gates: `changeover promote`. The flag must ask for it, so the flags
 * file gets a strategy for this key where it doesn't ask yet.
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
  const to = stages[stages.indexOf(from) + 1];
  if (to === undefined) {
    answerChange(terminal, {
      text: [`${backend} ${key} is on pooled, the last stage, already.`],
    });
    return;
  }
  const gates = askGates(migration, backend, from, options.force);
  const asks = stages.indexOf(keyStatus.flag.stage) >= stages.indexOf(to);
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
    });
    return;
  }
  showPlan(terminal, plan);
  const flags = asks ? undefined : await askInFlag(migration, subject, to);
  const reason = options.force ? `${options.reason} (forced)` : options.reason;
  const change = await record(
    migration,
    subject,
    { from, to, who: options.who, reason },
    flags !== undefined,
  );
  answerChange(terminal, {
    plan,
    change,
    text: [
      `${backend} ${key}: ${from} → ${terminal.paint('bold', to)}. ${gates}`,
      ...(flags === undefined ? [] : [`${flags} has a strategy for ${key} now.`]),
      'Running programs that read these flags follow within a few seconds.',
      `The way back: changeover rollback ${backend} ${key} --reason "..."`,
    ],
    more: { flags: flags ?? null },
  });
}

function refuseHeld({ backend, key, line }: KeyStatus): void {
  if (line?.held !== true) return;
  const whole = targetOfRow(line.dataset).kind === 'all' ? backend : `${backend} ${key}`;
  throw new CommandError(
    `${backend} ${key} is held at ${line.to} by ${line.who}: ${line.reason}. End that first: ` +
      `changeover resume ${whole} --reason "..."`,
  );
}

/** What the gates say, for people. Nothing is compared before `shadow`, so there is nothing to ask. */
function askGates(
  { recordings, place }: Migration,
  backend: string,
  from: Stage,
  force: boolean,
): string {
  if (from === 'legacy') return 'At shadow, callers are still answered by the legacy leg.';
  const verdict =
    recordings &&
    decideVerdict({ data: recordings, gates: usableGates(place) }).backends.find(
      (one) => one.backend === backend,
    );
  const decision = verdict?.decision ?? 'INCONCLUSIVE';
  const reason = verdict?.reason ?? `No call on ${backend} has been recorded.`;
  if (decision === 'PROMOTE') return `The gates hold: ${reason}`;
  if (force) return `Forced past the gates, which say ${decision}: ${reason}`;
  throw new CommandError(
    `The gates say ${decision}: ${reason} Nothing was changed. See: changeover gate. ` +
      'To go forward in spite of them add --force; the ledger will say so.',
    decision === 'INCONCLUSIVE' ? exitCodes.inconclusive : exitCodes.gateFailed,
  );
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

async function record(
  migration: Migration,
  { backend, key }: KeyName,
  {
    from,
    to,
    who,
    reason,
  }: { readonly from: Stage; readonly to: Stage; readonly who: string; readonly reason: string },
  flagChanged: boolean,
): Promise<LedgerChange | undefined> {
  return writeLedger(
    migration,
    backend,
    keyTarget(key),
    (last) => {
      // A guardrail, or a person, was faster: their hold is the later word.
      if (last?.held === true) {
        throw new CommandError(
          `${backend} ${key} was held at ${last.to} meanwhile by ${last.who}: ${last.reason}. It stays there${
            flagChanged ? `, though its flag asks for ${to} now` : ''
          }.`,
        );
      }
      return {
        at: Date.now(),
        backend,
        dataset: key,
        from,
        to,
        held: false,
        who,
        reason,
        revision: migration.flags.status().revision,
      };
    },
    flagChanged ? flagsChanged : undefined,
  );
}
