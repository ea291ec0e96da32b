import type { Stage } from '@changeover/core';
import type { LedgerChange } from '@changeover/bridge';
import { lineJson } from './ledger-lines.ts';
import type { Terminal } from './terminal.ts';

/** A key whose calls would be on another stage afterwards. */
export interface PlannedMove {
  readonly backend: string;
  readonly key: string;
  readonly from: Stage;
  readonly to: Stage;
  /** What keeps it from going where it is asked to. */
  readonly note?: string | undefined;
}

const shownMoves = 20;

/** Which keys change stage, one a line. */
function planText(plan: readonly PlannedMove[]): string[] {
  const lines = plan
    .slice(0, shownMoves)
    .map(
      ({ backend, key, from, to, note }) =>
        `  ${backend} ${key}: ${from} → ${to}${note === undefined ? '' : ` (${note})`}`,
    );
  const rest = plan.length - lines.length;
  return [
    plan.length === 0
      ? 'No known key changes stage.'
      : `${String(plan.length)} ${plan.length === 1 ? 'key changes' : 'keys change'} stage:`,
    ...lines,
    ...(rest > 0 ? [`  and ${String(rest)} more; --format json lists them all`] : []),
  ];
}

/** Says what is about to change, before it does. */
export function showPlan(terminal: Terminal, plan: readonly PlannedMove[]): void {
  terminal.say(planText(plan));
}

/** What came of a command that may change something. */
export interface ChangeAnswer {
  readonly plan?: readonly PlannedMove[];
  /** The line that was written; undefined where nothing was. */
  readonly change?: LedgerChange | undefined;
  readonly text: readonly string[];
  /** What was said before the answer, of which JSON's message has all. Default: nothing. */
  readonly said?: readonly string[];
  /** What may be typed now. Default: nothing. */
  readonly next?: readonly string[];
  /** True where the plan wasn't shown before. */
  readonly showPlan?: boolean;
  readonly more?: object;
}

/** One answer's shape for all commands that change something. */
export function answerChange(
  terminal: Terminal,
  {
    plan = [],
    change,
    text,
    said = [],
    next = [],
    showPlan: show = false,
    more = {},
  }: ChangeAnswer,
): void {
  terminal.answer([...(show ? planText(plan) : []), ...text], {
    changed: change !== undefined,
    plan,
    change: change === undefined ? null : lineJson(change),
    message: [...said, ...text].join(' '),
    next,
    ...more,
  });
}
