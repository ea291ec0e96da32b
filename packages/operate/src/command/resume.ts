import {
  allKeys,
  earlierStage,
  keyTarget,
  noKey,
  type Stage,
  stages,
  type Target,
} from '@changeover/core';
import {
  counted,
  flagsDecideAloneText,
  type LedgerChange,
  rowDataset,
  type StepAnswer,
  stepForward,
  typedKey,
  typedWord,
} from '@changeover/bridge';
import type { ChangeOptions } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { follow, movesBy, nameOf, typedName } from './hold.ts';
import { type Subject } from './subject.ts';
import { type KeyStatus, type Migration, requireLedger } from './migration.ts';
import { answerChange, type ChangeAnswer, type PlannedMove, showPlan } from './plan.ts';
import type { Terminal } from './terminal.ts';
import { turnFlag } from './turn-flag.ts';
import { writeLedger, writeLedgerLines } from './write-ledger.ts';

const shownKeys = 10;

/** Where a key goes that was held. */
export interface ResumeOptions extends ChangeOptions {
  /** Default: `shadow`, or where it is held if that is later. */
  readonly to?: Stage | undefined;
  /** True goes further than `shadow` at once. Default: false. */
  readonly force?: boolean | undefined;
}

/** `changeover resume` of a backend: its hold as a whole or, where there is none, that of what concerns no key. */
export function resumeWhole(
  migration: Migration,
  terminal: Terminal,
  { backend }: Subject,
  options: ResumeOptions,
): Promise<void> {
  const isHeld = (target: Target): boolean => migration.lastLine(backend, target)?.held === true;
  const target = !isHeld(allKeys) && isHeld(noKey) ? noKey : allKeys;
  return resume(migration, terminal, { backend, target }, options);
}

/**
 * Ends a hold: `changeover resume`. The key goes to `shadow` and steps on from there past its gates, for what was seen before
 * says nothing of what runs now.
 *
 * @throws {CommandError} where it would go further, and isn't forced.
 */
export async function resume(
  migration: Migration,
  terminal: Terminal,
  subject: Subject,
  options: ResumeOptions,
): Promise<void> {
  requireLedger(migration);
  const { backend, target } = subject;
  const last = migration.lastLine(backend, target);
  const wholeIsHeld = target.kind !== 'all' && migration.lastLine(backend, allKeys)?.held === true;
  if (last?.held !== true) {
    if (wholeIsHeld) {
      throw new CommandError(
        `Not ${nameOf(subject)} alone is held, all of ${backend} is. Type: changeover resume ${typedWord(backend)} --reason "..."`,
      );
    }
    answerChange(terminal, notHeld(migration, subject));
    return;
  }
  const to = options.to ?? laterStage(last.to, 'shadow');
  const resumed = (_stage: Stage, name: string): Stage =>
    stageAfter(migration, last, subject, name, to);
  const plan = movesBy(migration, subject, resumed);
  // What the ledger lets it reach is judged, whatever its flag asks now: a flag that is raised later goes there without a gate.
  for (const { key, from, to: asked } of reaches(migration, last, subject, to, plan))
    refuseJump(
      migration,
      migration.keyStatus(backend, key),
      laterStage(from, last.to),
      asked,
      options,
    );
  const asks = askText(migration, subject, to);
  if (options.plan) {
    answerChange(terminal, {
      plan,
      text: [`Would end the hold on ${nameOf(subject)}: ${asks}. Nothing was changed.`],
      showPlan: true,
      next: resumedCommands(subject),
    });
    return;
  }
  showPlan(terminal, plan);
  if (target.kind === 'all') await lowerKeys(migration, subject, to, options);
  const change = await writeResumption(migration, subject, to, options);
  const flag = await turnFlag(migration, (admin) => admin.resume(backend, target));
  const stillHeld = wholeIsHeld
    ? [
        `All of ${backend} is still held: changeover resume ${typedName({ backend, target: allKeys })} --reason "..."`,
      ]
    : [];
  answerChange(terminal, {
    plan,
    change,
    more: { flagTurned: flag.turned },
    next: resumedCommands(subject),
    text: [
      `${nameOf(subject)} is resumed: ${asks}.`,
      ...flag.text,
      follow(migration),
      ...stillHeld,
    ],
  });
}

/** What to say where nothing is held under this name, and what is held beside it. */
function notHeld(migration: Migration, subject: Subject): ChangeAnswer {
  const { backend, target } = subject;
  const own =
    target.kind === 'all'
      ? migration.keys(backend).filter((key) => migration.lastLine(backend, keyTarget(key))?.held)
      : [];
  const next = own.map((key) => `changeover resume ${typedKey({ backend, key })} --reason "..."`);
  if (own.length === 0)
    return { text: [`${nameOf(subject)} is not held: there is nothing to resume.`] };
  return {
    text: [
      `${backend} is not held as a whole, ${counted(own.length, 'key is', 'keys are')} held by ${own.length === 1 ? 'itself' : 'themselves'}:`,
      ...next.slice(0, shownKeys).map((command) => `  ${command}`),
      ...(next.length > shownKeys ? ['All of them: changeover status --held'] : []),
    ],
    next,
  };
}

function resumedCommands(subject: Subject): string[] {
  const { backend, target } = subject;
  return target.kind === 'key'
    ? [`changeover explain ${typedName(subject)}`, `changeover gate ${typedName(subject)}`]
    : [`changeover status ${typedWord(backend)}`];
}

/** How far keys may go by the ledger once the hold has ended. */
function reaches(
  migration: Migration,
  last: LedgerChange,
  { backend, target }: Subject,
  to: Stage,
  plan: readonly PlannedMove[],
): readonly PlannedMove[] {
  return target.kind === 'key' && migration.ledgerDecides
    ? [{ backend, key: target.name, from: last.to, to }]
    : plan;
}

/** Where a key is once the hold has ended: no further than its flag asks, and where the flags decide alone just there. */
function stageAfter(
  migration: Migration,
  last: LedgerChange,
  { backend, target }: Subject,
  name: string,
  to: Stage,
): Stage {
  const without = migration.statusWithout(last, backend, name);
  if (!migration.ledgerDecides || without.by === 'hold') return without.stage;
  const own = migration.ledger.findLast(
    (line) => line.backend === backend && line.dataset === name,
  );
  const reached = target.kind === 'all' ? earlierStage(own?.to ?? 'legacy', to) : to;
  return earlierStage(without.flag.stage, reached);
}

/** @throws {CommandError} where a key would go further than to `shadow`, and isn't forced. */
function refuseJump(
  migration: Migration,
  { backend, key }: KeyStatus,
  from: Stage,
  to: Stage,
  { force }: ResumeOptions,
): void {
  const judge = (stage: Stage): ReturnType<ReturnType<Migration['judge']>['key']> =>
    migration.judge().key(backend, key, stage);
  const answer: StepAnswer = stepForward({ from, to, force }, judge);
  if (answer.kind === 'step') return;
  const why = migration.ledgerDecides ? '' : ` ${flagsDecideAloneText}`;
  throw new CommandError(
    `${backend} ${key} would go from ${from} to ${to}: ${answer.reason}${why} Nothing was changed. ` +
      'To go there all the same add --force; the ledger will say so.',
    answer.decision === 'INCONCLUSIVE' ? exitCodes.inconclusive : exitCodes.gateFailed,
  );
}

function askText(migration: Migration, { backend, target }: Subject, to: Stage): string {
  const flag =
    target.kind === 'key' ? migration.keyStatus(backend, target.name).flag.stage : undefined;
  if (!migration.ledgerDecides)
    return flag === undefined
      ? 'the flags decide again over each key'
      : `the flag decides again, and asks for ${flag}`;
  if (flag === undefined)
    return `keys go no further than ${to}, and from there past their gates where the flags ask for them`;
  // Its flag asks for no more than where it stands then.
  if (earlierStage(flag, to) === flag)
    return `it goes to ${flag}, for which its flag asks${flag === 'legacy' ? '; it goes further by changeover promote, or when its flag asks for more' : ''}`;
  return `it goes to ${to}, and from there past its gates to ${flag}, for which its flag asks`;
}

/** Keys that stood further when their backend was put back are judged anew. */
async function lowerKeys(
  migration: Migration,
  { backend }: Subject,
  to: Stage,
  { who, reason }: ResumeOptions,
): Promise<void> {
  const at = resumptionAt(migration);
  const lines = migration.keys(backend).flatMap((key) => {
    const own = migration.ledger.findLast(
      (line) => line.backend === backend && line.dataset === key,
    );
    if (own === undefined || own.held || earlierStage(own.to, to) === own.to) return [];
    return [
      { at, backend, dataset: key, from: own.to, to, held: false, who, reason, revision: '' },
    ];
  });
  await writeLedgerLines(migration, lines);
}

/** After all that was counted before, also where a clock was ahead then, so that what comes after the resumption can be told from it. */
function resumptionAt({ recordings, ledger }: Migration): number {
  const stamps = [
    ...(recordings?.runs ?? []).map(({ lastAt }) => lastAt),
    // What is counted after one is stamped later than that.
    ...ledger.filter(({ held }) => !held).map(({ at }) => at + 1),
  ];
  return stamps.reduce((latest, at) => Math.max(latest, at), Date.now());
}

function writeResumption(
  migration: Migration,
  { backend, target }: Subject,
  to: Stage,
  { who, reason, force }: ResumeOptions,
): Promise<LedgerChange | undefined> {
  return writeLedger(migration, backend, target, (line) =>
    line?.held !== true
      ? undefined
      : {
          at: resumptionAt(migration),
          backend,
          dataset: rowDataset(target),
          from: line.to,
          to: target.kind === 'all' ? 'pooled' : to,
          held: false,
          who,
          reason: force === true ? `${reason} (forced)` : reason,
          revision: '',
        },
  );
}

function laterStage(a: Stage, b: Stage): Stage {
  return stages.indexOf(a) >= stages.indexOf(b) ? a : b;
}
