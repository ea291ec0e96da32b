import type { Cause } from '../statement.ts';
import type { Call, Expression, Query, Window } from './query.ts';
import {
  determinedEntries,
  identify,
  identifyTold,
  merge,
  resolve,
  type Scope,
  union,
  type Value,
} from './rows.ts';

/** What an expression is evaluated in. */
export interface QueryContext {
  readonly scope: Scope;
  readonly windows: ReadonlyMap<string, Window>;
  /** GROUP BY's expressions; undefined: not grouped. */
  readonly group: readonly Expression[] | undefined;
  /** What is known of a query inside. */
  readonly query: (query: Query, scope: Scope) => Value;
}

/** Whether two rows of FROM that are equal in all these expressions are the same row. */
function identifiesRows(terms: readonly Expression[], { scope }: QueryContext): boolean {
  const determined = determinedEntries(idsOf(terms, scope), scope);
  return determined.size === scope.entries.length;
}

/** The same of the rows that remain after grouping. */
export function identifiesGroups(terms: readonly Expression[], at: QueryContext): boolean {
  if (at.group === undefined) return identifiesRows(terms, at);
  const ids = idsOf(terms, at.scope);
  const determined = determinedEntries(ids, at.scope);
  const texts = new Set(terms.map((term) => JSON.stringify(term)));
  return at.group.every((expression) => {
    const id = identify(expression, at.scope);
    return id === undefined
      ? expression.type === 'constant' || texts.has(JSON.stringify(expression))
      : ids.has(id) || determined.has(Number(id.split('.', 1)[0]));
  });
}

function idsOf(terms: readonly Expression[], scope: Scope): Set<string> {
  return new Set(terms.flatMap((term) => identifyTold(term, scope) ?? []));
}

/** Why an expression's value may differ from run to run, and whether it may be a floating-point number. */
export function evaluate(expression: Expression, at: QueryContext): Value {
  switch (expression.type) {
    case 'column':
      return resolve(expression.path, at.scope);
    case 'star':
      return merge(at.scope.entries.flatMap(({ rows }) => rows.columns));
    case 'constant':
      return merge([]);
    case 'equals':
      return { ...evaluateAll([expression.left, expression.right], at), float: false };
    case 'and':
      return { ...evaluateAll(expression.children, at), float: false };
    case 'subquery':
      return merge([at.query(expression.query, at.scope), evaluateAll(expression.children, at)]);
    case 'call':
      return evaluateCall(expression, at);
    case 'other': {
      const { causes, float } = evaluateAll(expression.children, at);
      return {
        causes: union(causes, new Set(expression.causes)),
        float: expression.float ?? float,
      };
    }
  }
}

/** All of them together. */
export function evaluateAll(expressions: readonly Expression[], at: QueryContext): Value {
  return merge(expressions.map((expression) => evaluate(expression, at)));
}

function evaluateCall(call: Call, at: QueryContext): Value {
  const args = evaluateAll(call.args, at);
  const window = windowOf(call, at);
  const around = evaluateAll(
    [
      ...call.order,
      ...call.filter,
      ...window.flatMap(({ partition, order, children }) => [...partition, ...order, ...children]),
    ],
    at,
  );
  const causes = new Set<Cause>([...args.causes, ...around.causes, ...call.causes]);
  if (call.sensitive === 'always rounding' || (call.sensitive === 'rounding' && args.float))
    causes.add('rounding');
  if (dependsOnOrder(call, window, at)) causes.add('order of rows');
  return { causes, float: call.float === 'as arguments' ? args.float : call.float === 'always' };
}

/** A call's window and those that it is built on. */
function windowOf(call: Call, at: QueryContext): readonly Window[] {
  const found: Window[] = [];
  for (let window = call.window; window !== undefined && found.length < 10;) {
    found.push(window);
    window = window.name === undefined ? undefined : at.windows.get(window.name);
  }
  return found;
}

function dependsOnOrder(call: Call, windows: readonly Window[], at: QueryContext): boolean {
  if (windows.length > 0) {
    const sensitive =
      call.sensitive === 'position' ||
      call.sensitive === 'order' ||
      windows.some(({ byRows }) => byRows);
    return (
      sensitive &&
      !identifiesGroups(
        windows.flatMap(({ partition, order }) => [...partition, ...order]),
        at,
      )
    );
  }
  if (call.sensitive !== 'order' || identifiesRows(call.order, at)) return false;
  // Among equals in its own argument the order makes no difference.
  const texts = new Set(call.order.map((term) => JSON.stringify(term)));
  const args = call.args.filter(({ type }) => type !== 'constant');
  return call.order.length === 0 || !args.every((argument) => texts.has(JSON.stringify(argument)));
}
