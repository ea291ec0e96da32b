import { describe } from '@changeover/core';
import { type InputValue } from '../api/input-values.ts';
import { hasTooDeepComments } from '@changeover/classify/glance';
import { InvalidArgumentError, StatementError } from '../api/storage-errors.ts';
import type { Program, StepResult } from '../program.ts';
import type { OperationContext } from './context.ts';

export function* query(
  context: OperationContext,
  sql: string,
  params?: readonly InputValue[],
): Program<StepResult> {
  checkStatement(context, sql, params);
  const { form, inSession } = context;
  return yield { kind: 'query', sql, params: withoutHoles(params), form, inSession };
}

export function* execute(
  context: OperationContext,
  sql: string,
  params?: readonly InputValue[],
): Program<number> {
  checkStatement(context, sql, params);
  const { inSession } = context;
  return (yield { kind: 'execute', sql, params: withoutHoles(params), inSession }).rowsAffected;
}

function checkStatement({ dialect }: OperationContext, sql: unknown, params: unknown): void {
  if (typeof sql !== 'string' || sql.trim() === '') {
    throw new InvalidArgumentError(
      `Expected one SQL statement, found ${sql === '' ? 'an empty text' : describe(sql)}.`,
    );
  }
  if (params !== undefined && !Array.isArray(params)) {
    throw new InvalidArgumentError(
      `Parameters must be a list of values in order, found ${describe(params)}.`,
    );
  }
  if (dialect.engine !== 'sqlite' && hasTooDeepComments(sql)) {
    throw new StatementError(
      'The statement has more than 1,000 comments inside each other, which take the engine too long to read.',
      { engine: dialect.engine },
    );
  }
}

/** A hole in a list is a NULL: loops over it would leave it out. */
function withoutHoles(
  params: readonly InputValue[] | undefined,
): readonly InputValue[] | undefined {
  if (params === undefined) return undefined;
  for (let at = 0; at < params.length; at += 1) if (!(at in params)) return Array.from(params);
  return params;
}
