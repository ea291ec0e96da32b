import { describe } from '@changeover/core';
import { type InputValue } from '../api/input-values.ts';
import { InvalidArgumentError } from '../api/storage-errors.ts';
import type { Program, StepResult } from '../program.ts';
import type { OperationContext } from './context.ts';

export function* query(
  context: OperationContext,
  sql: string,
  params?: readonly InputValue[],
): Program<StepResult> {
  checkStatement(sql, params);
  return yield { kind: 'query', sql, params, form: context.form };
}

export function* execute(
  _context: OperationContext,
  sql: string,
  params?: readonly InputValue[],
): Program<number> {
  checkStatement(sql, params);
  return (yield { kind: 'execute', sql, params }).rowsAffected;
}

function checkStatement(sql: unknown, params: unknown): void {
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
}
