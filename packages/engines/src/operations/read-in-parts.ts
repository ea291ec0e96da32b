import type { Value } from '@changeover/core';
import type { OnPart, Program, StatementStep, StepResult } from '../program.ts';
import { textIn } from '../rows.ts';
import { inTransaction, type OperationContext } from './context.ts';

/** Rows of a part: the other thread makes the rows of one while the next is read, and is held up by one for less than a ms. */
const partRows = 2_000;

/** A read of a whole table of SQLite's, or of its first rows. */
interface TableRead {
  /** All of it as one statement. */
  readonly sql: string;
  readonly columns: string;
  readonly from: string;
  /** The name of the rows' number, in whose order they come. */
  readonly rowNumber: string;
  readonly limit: number | undefined;
  readonly onPart: OnPart;
}

/** Reads a table in parts that each begin behind the last row of the one before, all of one state. */
export function* readInParts(context: OperationContext, read: TableRead): Program<StepResult> {
  const { sql, limit = Infinity } = read;
  if (limit <= partRows || !(yield* goesByRowNumber(sql)))
    return yield { kind: 'all', sql, form: 'cells' };
  const parts = eachPart(read, limit);
  return yield* context.transaction === 'own' ? inTransaction(parts, { readOnly: true }) : parts;
}

/** An index that has all of the columns is gone through in its own order, and a virtual table in whichever it likes. */
function* goesByRowNumber(sql: string): Program<boolean> {
  const { rows } = yield { kind: 'all', sql: `EXPLAIN QUERY PLAN ${sql}` };
  const [first] = rows;
  if (first === undefined || rows.length > 1) return false;
  const plan = textIn(first, 'detail');
  return plan.startsWith('SCAN ') && !/ (?:USING|VIRTUAL) /.test(plan);
}

function* eachPart(
  { columns, from, rowNumber, onPart }: TableRead,
  limit: number,
): Program<StepResult> {
  const next = (selected: string, rows: string, after: Value | undefined): StatementStep => ({
    kind: 'all',
    sql:
      `SELECT ${selected} FROM ${from}${after === undefined ? '' : ` WHERE ${rowNumber} > ?`}` +
      ` ORDER BY ${rowNumber} LIMIT ${rows}`,
    params: after === undefined ? [] : [after],
    form: 'cells',
  });
  let after: Value | undefined;
  for (let left = limit; ; left -= partRows) {
    const size = Math.min(partRows, left);
    const part = yield next(columns, String(size), after);
    const isLast = part.cells.length < size || size === left;
    if (isLast && after === undefined) return part;
    if (part.cells.length > 0) onPart(part.columns, part.cells);
    if (isLast) return { ...part, cells: [] };
    // To skip rows takes less than to have the number of each in its row.
    const { cells } = yield next(rowNumber, `1 OFFSET ${partRows - 1}`, after);
    after = cells[0]?.[0];
  }
}
