import { defined, type DefinedOperation } from '@changeover/bridge';
import type { OperationDefinition, StatementDefinition } from '@changeover/core';
import { type KeyedStatement, onlyKey } from '../shared/adapter-options.ts';
import type { StatementLeg } from './statement-leg.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';
import { toldStatement } from '../shared/told-statement.ts';

type Arguments = readonly [sql: string, traits: StatementTraits, ...rest: unknown[]];

/** What each way of executing a statement is to the bridge, by what the statement does. */
export function operationsBy(
  key: ((statement: KeyedStatement) => string) | undefined,
): Readonly<Record<keyof StatementLeg, DefinedOperation>> {
  const dataset =
    key === undefined
      ? () => onlyKey
      : (...[sql, , , values]: Arguments) =>
          key({ sql, values: Array.isArray(values) ? values : undefined });
  const written: OperationDefinition & { readonly kind: 'write' } = {
    kind: 'write',
    comparison: 'none',
    key: dataset,
  };
  const classified = (result: 'rows' | 'value'): DefinedOperation => {
    const definition: StatementDefinition<Arguments> = {
      kind: 'statement',
      key: dataset,
      reads: (_sql, traits) => traits.reads && !traits.readsSettings,
      read: {
        kind: 'read',
        result,
        ordered: (_sql, traits) => traits.ordered,
        undetermined: (_sql, traits) => traits.undetermined,
        compareAs: result === 'rows' ? asRows : undefined,
        told: (sql, _traits, _mode, values) => toldStatement(sql, values),
      },
      write: { kind: 'write', comparison: 'none' },
    };
    return defined(definition);
  };
  return {
    // What `run` answers is about its connection, and so not to be compared even of a statement that reads.
    run: defined(written),
    get: classified('value'),
    all: classified('rows'),
    iterate: classified('value'),
    exec: defined(written),
    pragma: classified('value'),
    explain: classified('value'),
  };
}

/** Rows of `pluck()` and `raw()` are compared in any order too, where none is promised. */
function asRows(answer: unknown): unknown {
  if (!Array.isArray(answer)) return answer;
  const [first] = answer as readonly unknown[];
  return typeof first === 'object' &&
    first !== null &&
    !Array.isArray(first) &&
    !Buffer.isBuffer(first)
    ? answer
    : answer.map((row: unknown) => ({ row }));
}
