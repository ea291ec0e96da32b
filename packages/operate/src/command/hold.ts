import { earlierStage, type Stage } from '@changeover/core';
import type { LedgerChange } from '@changeover/bridge';
import type { ChangeOptions } from './command-context.ts';
import { CommandError } from './command-error.ts';
import { type Migration, requireLedger } from './migration.ts';
import { answerChange, type PlannedMove, showPlan } from './plan.ts';
import type { Terminal } from './terminal.ts';
import { turnFlag } from './turn-flag.ts';
import { writeLedger } from './write-ledger.ts';

/** A dataset, or with the empty name all datasets of the engine. */
export interface Subject {
  readonly engine: string;
  readonly dataset: string;
}

/** `at`: no further than this stage; the one that the dataset is on where it isn't given. */
export interface HoldOptions extends ChangeOptions {
  readonly at: Stage | undefined;
}

const follow = 'Running programs that share this ledger follow within two seconds.';

/** Keeps a dataset, or an engine, from going further than a stage until a person resumes it: `changeover hold`, `rollback`,
 * `kill`. */
export async function hold(
  migration: Migration,
  terminal: Terminal,
  subject: Subject,
  options: HoldOptions,
): Promise<void> {
  requireLedger(migration);
  const { engine, dataset } = subject;
  const { who, reason } = options;
  const at = options.at ?? migration.keyStatus(engine, dataset).stage;
  const last = migration.lastLine(engine, dataset);
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
  const from = dataset === '' ? (last?.to ?? 'pooled') : migration.keyStatus(engine, dataset).stage;
  const change = await writeLedger(migration, engine, dataset, (line) =>
    isHeldBy(at, line)
      ? undefined
      : {
          at: Date.now(),
          backend: engine,
          dataset,
          from,
          to: at,
          held: true,
          who,
          reason,
          revision: '',
        },
  );
  const flag = await turnFlag(migration, (admin) => admin.hold(engine, dataset, at));
  answerChange(terminal, {
    plan,
    change,
    more: { flagTurned: flag.turned },
    text: [
      `${nameOf(subject)}: ${from === at ? '' : `${from} → `}${terminal.paint('bold', at)}, held there.`,
      ...flag.text,
      follow,
      `To end it: changeover resume ${engine}${dataset === '' ? '' : ` ${dataset}`} --reason "..."`,
    ],
  });
}

/** Ends a hold: `changeover resume`. */
export async function resume(
  migration: Migration,
  terminal: Terminal,
  subject: Subject,
  options: ChangeOptions,
): Promise<void> {
  requireLedger(migration);
  const { engine, dataset } = subject;
  const { who, reason } = options;
  const last = migration.lastLine(engine, dataset);
  const whole = migration.lastLine(engine, '');
  if (last?.held !== true) {
    if (dataset !== '' && whole?.held === true) {
      throw new CommandError(
        `Not ${dataset} alone is held, all of ${engine} is. Type: changeover resume ${engine} --reason "..."`,
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
    (_stage, name) => migration.statusWithout(last, engine, name).stage,
  );
  const asks =
    dataset === ''
      ? 'the flags decide again over each dataset'
      : `the flag decides again, and asks for ${migration.keyStatus(engine, dataset).flag.stage}`;
  if (options.plan) {
    answerChange(terminal, {
      plan,
      text: [`Would end the hold on ${nameOf(subject)}: ${asks}. Nothing was changed.`],
      showPlan: true,
    });
    return;
  }
  showPlan(terminal, plan);
  const change = await writeLedger(migration, engine, dataset, (line) =>
    line?.held !== true
      ? undefined
      : {
          at: Date.now(),
          backend: engine,
          dataset,
          from: line.to,
          to: dataset === '' ? 'pooled' : line.to,
          held: false,
          who,
          reason,
          revision: '',
        },
  );
  const flag = await turnFlag(migration, (admin) => admin.resume(engine, dataset));
  const stillHeld =
    dataset !== '' && whole?.held === true
      ? [`All of ${engine} is still held: changeover resume ${engine} --reason "..."`]
      : [];
  answerChange(terminal, {
    plan,
    change,
    more: { flagTurned: flag.turned },
    text: [`${nameOf(subject)} is resumed: ${asks}.`, ...flag.text, follow, ...stillHeld],
  });
}

export function nameOf({ engine, dataset }: Subject): string {
  return dataset === '' ? `Every dataset of ${engine}` : `${engine} ${dataset}`;
}

function isHeldBy(at: Stage, line: LedgerChange | undefined): boolean {
  return line?.held === true && line.to === at;
}

function movesBy(
  migration: Migration,
  { engine, dataset }: Subject,
  moved: (stage: Stage, dataset: string) => Stage,
): PlannedMove[] {
  const names = dataset === '' ? migration.datasets(engine) : [dataset];
  return names
    .map((name) => {
      const { stage } = migration.keyStatus(engine, name);
      return { engine, dataset: name, from: stage, to: moved(stage, name) };
    })
    .filter(({ from, to }) => from !== to);
}
