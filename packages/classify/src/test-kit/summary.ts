import type { StatementClassifier } from '../classifier.ts';
import type { Statement } from '../statement.ts';

/** What a label says of a statement, as the classifier tells it. */
export async function summary(
  classifier: StatementClassifier,
  sql: string,
): Promise<readonly unknown[]> {
  const statement = await classifier.learn(sql);
  return [
    sql,
    statement.effect === 'reads' ? 'reads' : 'acts',
    statement.session,
    statement.order,
    leavesOpen(statement),
  ];
}

/** Whether anything of the answer may differ from run to run, but for the order of rows. */
export function leavesOpen({ undetermined, limited }: Statement): boolean {
  return undetermined.length > 0 || (limited !== undefined && limited.rows !== 'determined');
}

/** The kinds of what a statement does. */
export async function actsOf(classifier: StatementClassifier, sql: string): Promise<string[]> {
  const { acts } = await classifier.learn(sql);
  return [...new Set(acts.map(({ kind }) => kind))];
}

/** Those of the statements that are not told as reads, with what they are told to do. */
export async function notReads(
  classifier: StatementClassifier,
  statements: readonly string[],
): Promise<string[]> {
  const found = [];
  for (const sql of statements) {
    const { effect, acts } = await classifier.learn(sql);
    if (effect !== 'reads') found.push(`${sql}: ${acts.map(({ detail }) => detail).join()}`);
  }
  return found;
}

/** The statements of whose answer too little is determined for a comparison to say anything, and the share of the others. */
export async function comparable(
  classifier: StatementClassifier,
  statements: readonly string[],
): Promise<{ readonly share: number; readonly others: readonly string[] }> {
  const others: string[] = [];
  for (const sql of statements) {
    const { effect, undetermined } = await classifier.learn(sql);
    const isOpen = undetermined.some(
      ({ what, where }) => where === 'rows' && what !== 'time' && what !== 'rounding',
    );
    if (effect !== 'reads' || isOpen) others.push(sql);
  }
  return { share: 1 - others.length / statements.length, others };
}
