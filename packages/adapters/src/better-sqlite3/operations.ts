import { defined, type DefinedOperation } from '@changeover/bridge';
import type { OperationDefinition, StatementDefinition } from '@changeover/core';
import { type KeyedStatement, onlyKey } from '../shared/adapter-options.ts';
import type { StatementLeg } from './statement-leg.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';
import { toldStatement } from '../shared/told-statement.ts';

type Arguments = readonly [sql: string, traits: StatementTraits, ...rest: unknown[]];

/** The key of each statement. */
export function keyBy(
  key: ((statement: KeyedStatement) => string) | undefined,
): (...args: Arguments) => string {
  return key === undefined
    ? () => onlyKey
    : (...[sql, , , values]) => key({ sql, values: Array.isArray(values) ? values : undefined });
}

/** Who is told of statements as they are executed. */
export interface StatementWatch {
  /** Whether it has to be told. */
  concerns(traits: StatementTraits): boolean;
  saw(operation: string, args: Arguments): void;
}

/** What each way of executing a statement is to the bridge, by what the statement does. */
export function operationsBy(
  key: (...args: Arguments) => string,
  { concerns, saw }: StatementWatch,
): Readonly<Record<keyof StatementLeg, DefinedOperation>> {
  // Asked once of each call, in its tick.
  const shapeOf =
    (operation: string) =>
    (sql: string, traits: StatementTraits, mode: unknown, values: unknown): string => {
      if (concerns(traits)) saw(operation, [sql, traits, mode, values]);
      return traits.shape;
    };
  const written = (operation: string): DefinedOperation => {
    const definition: OperationDefinition<Arguments> = {
      kind: 'write',
      comparison: 'none',
      key,
      shape: shapeOf(operation),
    };
    return defined(definition);
  };
  const classified = (operation: string, result: 'rows' | 'value'): DefinedOperation => {
    const shape = shapeOf(operation);
    const definition: StatementDefinition<Arguments> = {
      kind: 'statement',
      key,
      reads: (_sql, traits) => traits.reads && !traits.readsSettings,
      read: {
        kind: 'read',
        shape,
        result,
        functions: 'pure',
        ordered: (_sql, traits) => traits.ordered,
        undetermined: (_sql, traits) => traits.undetermined,
        compareAs: result === 'rows' ? asRows : undefined,
        told: (sql, _traits, _mode, values) => toldStatement(sql, values),
      },
      write: { kind: 'write', shape, comparison: 'none' },
    };
    return defined(definition);
  };
  return {
    // What `run` answers is about its connection, and so not to be compared even of a statement that reads.
    run: written('run'),
    get: classified('get', 'value'),
    all: classified('all', 'rows'),
    iterate: classified('iterate', 'value'),
    exec: written('exec'),
    pragma: classified('pragma', 'value'),
    explain: classified('explain', 'value'),
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
