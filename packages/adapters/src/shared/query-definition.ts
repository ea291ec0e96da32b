import type { OperationDefinition } from '@changeover/core';
import type { StatementTraits } from './statement-traits.ts';
import { toldStatement } from './told-statement.ts';

/** What a query builder's adapter knows of an executed query, which the legs get beside its text and its values. */
export interface KnownQuery {
  readonly key: string;
  readonly isRead: boolean;
  readonly traits: StatementTraits;
}

type QueryArguments = readonly [sql: string, values: readonly unknown[], query: KnownQuery];
type Values = readonly unknown[];

// These are asked at every call: parameters one by one cost less than a list of them.
const shape = (_sql: string, _values: Values, query: KnownQuery): string => query.traits.shape;

/**
 * The operation of an executed query, by what the classifier says: a read is compared by its rows, anything else runs once.
 *
 * @param compareAs gives an answer's rows.
 */
export function queryDefinition(compareAs: (answer: unknown) => unknown): OperationDefinition {
  return {
    kind: 'statement',
    key: (_sql: string, _values: Values, query: KnownQuery) => query.key,
    reads: (_sql: string, _values: Values, query: KnownQuery) => query.isRead,
    read: {
      kind: 'read',
      shape,
      result: 'rows',
      functions: 'pure',
      ordered: (...[, , { traits }]: QueryArguments) => traits.ordered,
      undetermined: (...[, , { traits }]: QueryArguments) => traits.undetermined,
      compareAs,
      told: (...[sql, values]: QueryArguments) => toldStatement(sql, values),
    },
    write: { kind: 'write', shape, comparison: 'none' },
  } satisfies OperationDefinition<QueryArguments>;
}
