import { earlierStage, type Stage } from '@changeover/core';
import { type LedgerChange, rowDataset, typedKey, typedWord } from '@changeover/bridge';
import { awaitFollowers, type Following, followingText } from './await-followers.ts';
import type { ChangeOptions } from './command-context.ts';
import { lineJson } from './ledger-lines.ts';
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

/** A hold that was asked for, and what came of it by now. */
interface Holding {
  readonly subject: Subject;
  readonly from: Stage;
  readonly at: Stage;
  readonly plan: readonly PlannedMove[];
  /** The line that holds it already, or as it was written; undefined where it was only planned. */
  readonly line: LedgerChange | undefined;
  readonly written: boolean;
  readonly flag: { readonly turned: boolean; readonly text: readonly string[] };
  readonly tookMs: number;
}

/** Keeps a key, or a backend, from going further than a stage until a person resumes it: `changeover hold`, `rollback`,
 * `kill`. */
export async function hold(
  migration: Migration,
  terminal: Terminal,
  subject: Subject,
  options: HoldOptions,
): Promise<void> {
  await holdAll(migration, terminal, [subject], options);
}

/** The same of several, in one answer: all are held before anybody is waited for. */
export async function holdAll(
  migration: Migration,
  terminal: Terminal,
  subjects: readonly Subject[],
  options: HoldOptions,
): Promise<void> {
  const startedMs = migration.beganMs;
  requireLedger(migration);
  const planned = subjects.map((subject) => planHold(migration, subject, options));
  const plan = planned.flatMap((one) => one.plan);
  const isOld = planned.every(({ line }) => line !== undefined);
  if (options.plan || isOld) {
    answerChange(terminal, {
      plan,
      text: [
        ...planned.map(plannedText),
        ...(options.plan && !isOld ? ['Nothing was changed.'] : []),
      ],
      showPlan: options.plan && !isOld,
      next: planned.flatMap((one) => (isOld ? resumeCommand(one) : [])),
    });
    return;
  }
  showPlan(terminal, plan);
  const holdings: Holding[] = [];
  for (const one of planned) {
    const holding =
      one.line === undefined ? await writeHold(migration, one, options, startedMs) : one;
    holdings.push(holding);
    terminal.say(heldText(migration, terminal, holding));
  }
  const following = await Promise.all(holdings.map((one) => followed(migration, one)));
  const [first, ...others] = holdings;
  if (first === undefined) return;
  answerChange(terminal, {
    plan,
    change: holdings.find(({ written }) => written)?.line,
    said: holdings.flatMap((one) => heldText(migration, terminal, one)),
    text: holdings.flatMap((one, at) => afterText(one, following[at])),
    next: holdings.flatMap(resumeCommand),
    more: {
      flagTurned: holdings.some(({ flag }) => flag.turned),
      tookMs: first.tookMs,
      following: following[0] ?? null,
      ...(others.length === 0
        ? {}
        : {
            changes: holdings.flatMap(({ written, line }) =>
              written && line ? lineJson(line) : [],
            ),
          }),
    },
  });
}

function planHold(migration: Migration, subject: Subject, options: HoldOptions): Holding {
  const { backend, target } = subject;
  // A hold is no way forward: a key that stands before the stage stays where it is.
  const from = stageOf(migration, subject);
  const at = earlierStage(options.at ?? from, target.kind === 'key' ? from : 'pooled');
  const last = migration.lastLine(backend, target);
  return {
    subject,
    from,
    at,
    plan: movesBy(migration, subject, (stage) => earlierStage(stage, at)),
    line: isHeldBy(at, last) ? last : undefined,
    written: false,
    flag: { turned: false, text: [] },
    tookMs: 0,
  };
}

function plannedText({ subject, at, line }: Holding): string {
  return line === undefined
    ? `Would hold ${nameOf(subject)} at ${at}.`
    : `${nameOf(subject)} is held at ${line.to} already, by ${line.who}: ${line.reason}`;
}

async function writeHold(
  migration: Migration,
  planned: Holding,
  { who, reason }: HoldOptions,
  startedMs: number,
): Promise<Holding> {
  const { subject, from, at } = planned;
  const { backend, target } = subject;
  const line = await writeLedger(migration, backend, target, (last) =>
    isHeldBy(at, last)
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
  return { ...planned, line, written: line !== undefined, flag, tookMs };
}

function heldText(migration: Migration, terminal: Terminal, holding: Holding): string[] {
  const { subject, from, at, flag, tookMs, written } = holding;
  if (!written && holding.line !== undefined) return [plannedText(holding)];
  // Of a whole backend the ledger knows a limit, and not where its keys were.
  const move = from === at || subject.target.kind === 'all' ? '' : `${from} → `;
  return [
    `${nameOf(subject)}: ${move}${terminal.paint('bold', at)}, held there.`,
    ...flag.text,
    `The ledger has it, ${tookMs} ms after the command. ${follow(migration)}`,
  ];
}

function afterText({ subject, at, written }: Holding, following: Following | undefined): string[] {
  if (!written) return [];
  return [
    ...(following === undefined ? [] : followingText(following)),
    ...(at === 'legacy' || at === 'shadow' ? [callsUnderWay] : []),
    `To end it: changeover resume ${typedName(subject)} --reason "..."`,
  ];
}

function resumeCommand({ subject }: Holding): string[] {
  return [`changeover resume ${typedName(subject)} --reason "..."`];
}

/** Whose calls moved by it is waited for; the others had nothing to follow. */
async function followed(
  migration: Migration,
  { subject, plan, written, line }: Holding,
): Promise<Following | undefined> {
  return written && plan.length > 0 && line !== undefined
    ? awaitFollowers(migration, subject, line.at)
    : undefined;
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
  return target.kind === 'key' ? typedKey({ backend, key: target.name }) : typedWord(backend);
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
