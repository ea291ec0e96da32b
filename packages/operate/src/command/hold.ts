import { earlierStage, allKeys, type Stage, type Target, noKey } from '@changeover/core';
import { type LedgerChange, rowDataset } from '@changeover/bridge';
import type { ChangeOptions } from './command-context.ts';
import { CommandError } from './command-error.ts';
import { type Migration, requireLedger } from './migration.ts';
import { answerChange, type PlannedMove, showPlan } from './plan.ts';
import type { Terminal } from './terminal.ts';
import { turnFlag } from './turn-flag.ts';
import { writeLedger } from './write-ledger.ts';

/** Whom a command is about. */
export interface Subject {
  readonly backend: string;
  readonly target: Target;
}

/** `at`: no further than this stage; the one that the key is on where it isn't given. */
export interface HoldOptions extends ChangeOptions {
  readonly at: Stage | undefined;
}

const follow = 'Running programs that share this ledger follow within half a second.';
/** The command sees what it wrote, and not what runs in other processes. */
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
  const at = options.at ?? stageOf(migration, subject);
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
  const from = stageOf(migration, subject);
  const change = await writeLedger(migration, backend, target, (line) =>
    isHeldBy(at, line)
      ? undefined
      : {
          at: Date.now(),
          backend,
          dataset: rowDataset(target),
          from,
          to: at,
          held: true,
          who,
          reason,
          revision: '',
        },
  );
  const tookMs = Math.round(performance.now() - startedMs);
  const flag = await turnFlag(migration, (admin) => admin.hold(backend, target, at));
  answerChange(terminal, {
    plan,
    change,
    more: { flagTurned: flag.turned, tookMs },
    text: [
      `${nameOf(subject)}: ${from === at ? '' : `${from} → `}${terminal.paint('bold', at)}, held there.`,
      ...flag.text,
      `The ledger has it, ${tookMs} ms after the command. ${follow}`,
      ...(at === 'legacy' || at === 'shadow' ? [callsUnderWay] : []),
      `To end it: changeover resume ${typedName(subject)} --reason "..."`,
    ],
  });
}

/** `changeover resume` of a backend: its hold as a whole or, where there is none, that of what concerns no key. */
export function resumeWhole(
  migration: Migration,
  terminal: Terminal,
  { backend }: Subject,
  options: ChangeOptions,
): Promise<void> {
  const isHeld = (target: Target): boolean => migration.lastLine(backend, target)?.held === true;
  const target = !isHeld(allKeys) && isHeld(noKey) ? noKey : allKeys;
  return resume(migration, terminal, { backend, target }, options);
}

/** Ends a hold: `changeover resume`. */
export async function resume(
  migration: Migration,
  terminal: Terminal,
  subject: Subject,
  options: ChangeOptions,
): Promise<void> {
  requireLedger(migration);
  const { backend, target } = subject;
  const { who, reason } = options;
  const last = migration.lastLine(backend, target);
  const wholeIsHeld = target.kind !== 'all' && migration.lastLine(backend, allKeys)?.held === true;
  if (last?.held !== true) {
    if (wholeIsHeld) {
      throw new CommandError(
        `Not ${nameOf(subject)} alone is held, all of ${backend} is. Type: changeover resume ${backend} --reason "..."`,
      );
    }
    answerChange(terminal, {
      text: [`${nameOf(subject)} is not held: there is nothing to resume.`],
    });
    return;
  }
  const plan = movesBy(
    migration,
    subject,
    (_stage, name) => migration.statusWithout(last, backend, name).stage,
  );
  const asks =
    target.kind === 'key'
      ? `the flag decides again, and asks for ${migration.keyStatus(backend, target.name).flag.stage}`
      : 'the flags decide again over each key';
  if (options.plan) {
    answerChange(terminal, {
      plan,
      text: [`Would end the hold on ${nameOf(subject)}: ${asks}. Nothing was changed.`],
      showPlan: true,
    });
    return;
  }
  showPlan(terminal, plan);
  const change = await writeLedger(migration, backend, target, (line) =>
    line?.held !== true
      ? undefined
      : {
          at: Date.now(),
          backend,
          dataset: rowDataset(target),
          from: line.to,
          to: target.kind === 'all' ? 'pooled' : line.to,
          held: false,
          who,
          reason,
          revision: '',
        },
  );
  const flag = await turnFlag(migration, (admin) => admin.resume(backend, target));
  const stillHeld = wholeIsHeld
    ? [`All of ${backend} is still held: changeover resume ${backend} --reason "..."`]
    : [];
  answerChange(terminal, {
    plan,
    change,
    more: { flagTurned: flag.turned },
    text: [`${nameOf(subject)} is resumed: ${asks}.`, ...flag.text, follow, ...stillHeld],
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
function typedName({ backend, target }: Subject): string {
  return target.kind === 'key' ? `${backend} ${target.name}` : backend;
}

/** Of a whole backend the ledger knows a limit, and not where its keys are. */
function stageOf(migration: Migration, { backend, target }: Subject): Stage {
  return target.kind === 'key'
    ? migration.keyStatus(backend, target.name).stage
    : (migration.lastLine(backend, target)?.to ?? 'pooled');
}

function isHeldBy(at: Stage, line: LedgerChange | undefined): boolean {
  return line?.held === true && line.to === at;
}

function movesBy(
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
