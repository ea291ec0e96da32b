import { earlierStage, type Stage } from '@changeover/core';
import { type LedgerChange, rowDataset } from '@changeover/bridge';
import { awaitFollowers, followingText } from './await-followers.ts';
import type { ChangeOptions } from './command-context.ts';
import { type Migration, requireLedger } from './migration.ts';
import { answerChange, type PlannedMove, showPlan } from './plan.ts';
import type { Subject } from './subject.ts';
import type { Terminal } from './terminal.ts';
import { turnFlag } from './turn-flag.ts';
import { writeLedger } from './write-ledger.ts';

/** `at`: no further than this stage; the one that the key is on where it isn't given. */
export interface HoldOptions extends ChangeOptions {
  readonly at: Stage | undefined;
}

/** What people are told after a change of the ledger. */
export function follow({ place }: Migration): string {
  // A shared store is asked once a second, by one statement.
  const within = place.ledgerUrl === undefined ? 'half a second' : 'two seconds';
  return `Running programs that share this ledger follow within ${within}.`;
}
const callsUnderWay =
  'Calls that run there on the pooled leg end by themselves; what has not ended a second later is cut or passed (backWithinMs).';

/** Keeps a key, or a backend, from going further than a stage until a person resumes it: `changeover hold`, `rollback`,
 * `kill`. */
export async function hold(
  migration: Migration,
  terminal: Terminal,
  subject: Subject,
  options: HoldOptions,
): Promise<void> {
  const startedMs = performance.now();
  requireLedger(migration);
  const { backend, target } = subject;
  const { who, reason } = options;
  // A hold is no way forward: a key that stands before the stage stays where it is.
  const stage = stageOf(migration, subject);
  const at = earlierStage(options.at ?? stage, target.kind === 'key' ? stage : 'pooled');
  const last = migration.lastLine(backend, target);
  if (last !== undefined && isHeldBy(at, last)) {
    answerChange(terminal, {
      text: [`${nameOf(subject)} is held at ${last.to} already, by ${last.who}: ${last.reason}`],
    });
    return;
  }
  const plan = movesBy(migration, subject, (stage) => earlierStage(stage, at));
  if (options.plan) {
    answerChange(terminal, {
      plan,
      text: [`Would hold ${nameOf(subject)} at ${at}. Nothing was changed.`],
      showPlan: true,
    });
    return;
  }
  showPlan(terminal, plan);
  const change = await writeLedger(migration, backend, target, (line) =>
    isHeldBy(at, line)
      ? undefined
      : {
          at: Date.now(),
          backend,
          dataset: rowDataset(target),
          from: stage,
          to: at,
          held: true,
          who,
          reason,
          revision: '',
        },
  );
  const tookMs = Math.round(performance.now() - startedMs);
  const flag = await turnFlag(migration, (admin) => admin.hold(backend, target, at));
  const moved = plan.length > 0 && change !== undefined;
  const following = moved ? await awaitFollowers(migration, subject, change.at) : undefined;
  answerChange(terminal, {
    plan,
    change,
    more: { flagTurned: flag.turned, tookMs, following: following ?? null },
    text: [
      `${nameOf(subject)}: ${stage === at ? '' : `${stage} → `}${terminal.paint('bold', at)}, held there.`,
      ...flag.text,
      `The ledger has it, ${tookMs} ms after the command. ${follow(migration)}`,
      ...(following === undefined ? [] : followingText(following)),
      ...(at === 'legacy' || at === 'shadow' ? [callsUnderWay] : []),
      `To end it: changeover resume ${typedName(subject)} --reason "..."`,
    ],
  });
}

export function nameOf({ backend, target }: Subject): string {
  switch (target.kind) {
    case 'key':
      return `${backend} ${target.name}`;
    case 'none':
      return `What concerns no key of ${backend}`;
    case 'all':
      return `Every key of ${backend}`;
  }
}

/** What a person types after a command to name it. */
export function typedName({ backend, target }: Subject): string {
  return target.kind === 'key' ? `${backend} ${target.name}` : backend;
}

/** Of a whole backend the ledger knows a limit, and not where its keys are. */
export function stageOf(migration: Migration, { backend, target }: Subject): Stage {
  return target.kind === 'key'
    ? migration.keyStatus(backend, target.name).stage
    : (migration.lastLine(backend, target)?.to ?? 'pooled');
}

function isHeldBy(at: Stage, line: LedgerChange | undefined): boolean {
  return line?.held === true && line.to === at;
}

/** What changes stage where each key of a subject goes where `moved` says. */
export function movesBy(
  migration: Migration,
  { backend, target }: Subject,
  moved: (stage: Stage, key: string) => Stage,
): PlannedMove[] {
  const names = target.kind === 'key' ? [target.name] : migration.keys(backend);
  return names
    .map((name) => {
      const { stage } = migration.keyStatus(backend, name);
      return { backend, key: name, from: stage, to: moved(stage, name) };
    })
    .filter(({ from, to }) => from !== to);
}
