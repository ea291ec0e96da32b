import {
  type AllRows,
  reasonOf,
  type Cause,
  type Statement,
  type Undetermined,
} from '@changeover/classify';
import type { AnswerFacts, OpenParts } from '@changeover/core';

/** For the report. */
const words: Readonly<Record<Cause, string>> = {
  time: 'depends on the time',
  random: 'comes from a random source',
  rounding: "has last digits that depend on the rows' order",
  'order of rows': 'depends on an order of rows that nothing determines',
  'choice of rows': 'depends on rows that were chosen by nothing that determines them',
  sample: 'is sampled',
  'server state': 'tells what the server does at the moment',
  'connection fact': 'tells about the connection',
  plan: 'tells how the statement was run',
};

/** The rows of which a statement chooses some, in a subquery or by a sample; `number`: only how many it chooses is asked; undefined: nobody
 * can tell. */
export type Among = () => AllRows | 'number' | undefined;

/**
 * What is compared of a statement's answer.
 *
 * @param allRows gives the arguments of the call that runs another statement in its place, given that statement.
 * @param among see {@link Among}.
 */
export function answerFacts(
  statement: Statement,
  allRows: (sql: string) => readonly unknown[],
  among: Among,
): AnswerFacts {
  return {
    acts: reasonOf(statement),
    ordered: statement.order === 'total',
    open: statement.effect === 'reads' ? openParts(statement, allRows, among) : undefined,
  };
}

function openParts(
  statement: Statement,
  allRows: (sql: string) => readonly unknown[],
  among: Among,
): OpenParts | undefined {
  const { connectionFacts, limited, undetermined } = statement;
  const choosesOnly = limited === undefined && onlyChosen(undetermined);
  const chosen = choosesOnly && connectionFacts.length === 0 ? among() : undefined;
  if (chosen !== 'number') return partsOf(statement, allRows, chosen);
  const rest = undetermined.filter(({ where }) => where !== 'rows');
  return partsOf({ ...statement, undetermined: rest }, allRows, undefined);
}

function partsOf(
  statement: Statement,
  allRows: (sql: string) => readonly unknown[],
  chosen: AllRows | undefined,
): OpenParts | undefined {
  const { order, sortedBy, undetermined, limited, connectionFacts, sqlWithPlaces } = statement;
  const some = limited !== undefined && limited.rows !== 'determined';
  const untold = connectionFacts.length > 0 && undetermined.length === 0;
  const ties = order === 'ties' && (sortedBy.length > 0 || sqlWithPlaces !== undefined);
  if (undetermined.length === 0 && !some && !untold && !ties) return undefined;
  const without = some ? limited.sqlWithoutLimit : chosen?.sql;
  return {
    leftOut: [
      ...undetermined.map(describe),
      ...(untold ? [`what ${connectionFacts.join(', ')} tells about the connection`] : []),
      ...(ties ? ['the order of rows that ORDER BY leaves as equal'] : []),
      ...(some ? ['which of the rows its LIMIT took'] : []),
    ],
    columns: undetermined.flatMap((part) =>
      part.where === 'columns' && part.what !== 'rounding' ? part.columns : [],
    ),
    rounded: roundedOf(undetermined),
    rows: chosen?.counted === true ? 'some' : rowsOf(undetermined, some, untold),
    sortedBy: ties ? sortedBy : [],
    placed: sqlWithPlaces === undefined ? undefined : allRows(sqlWithPlaces),
    // From outside, because the statement itself may end in anything.
    allRows:
      without === undefined
        ? undefined
        : (maxRows) =>
            allRows(`SELECT * FROM (${without}\n) AS changeover_all LIMIT ${String(maxRows)}`),
  };
}

function describe(part: Undetermined): string {
  const place =
    part.where === 'rows'
      ? 'what'
      : `column ${part.columns.map((at) => (at < 0 ? `${-at} from the end` : at + 1)).join(', ')}, which`;
  return `${place} ${words[part.what]}`;
}

function roundedOf(undetermined: readonly Undetermined[]): OpenParts['rounded'] {
  const rounded = undetermined.filter(({ what }) => what === 'rounding');
  if (rounded.some(({ where }) => where === 'rows')) return 'all';
  return rounded.flatMap((part) => (part.where === 'columns' ? part.columns : []));
}

/** Which rows there are is open for nothing but a choice among them. */
function onlyChosen(undetermined: readonly Undetermined[]): boolean {
  const causes = causesOfRows(undetermined);
  return (
    causes.length > 0 && causes.every((what) => what === 'choice of rows' || what === 'sample')
  );
}

/** Why it is open which rows there are. */
function causesOfRows(undetermined: readonly Undetermined[]): readonly Cause[] {
  return undetermined.flatMap(({ what, where }) => (where === 'rows' ? [what] : []));
}

function rowsOf(
  undetermined: readonly Undetermined[],
  some: boolean,
  untold: boolean,
): OpenParts['rows'] {
  const causes = causesOfRows(undetermined);
  if (untold || causes.some((what) => what !== 'time' && what !== 'rounding')) return 'any';
  if (some) return 'some';
  return causes.includes('time') ? 'timed' : 'determined';
}
