import { type Call, type Expression, type Query, toldBy, type Window } from '../query/query.ts';
import type { Cause } from '../statement.ts';
import { namesOf, node, nodes, type Node, text, unwrap } from './parser.ts';
import { translateSelect } from './translate-query.ts';
import type { Walk } from './walk.ts';

const temporal = new Set(['timestamptz', 'timestamp', 'date', 'time', 'timetz']);
const floats = new Set(['float4', 'float8']);
const namesNow = /^\s*(?:now|today|tomorrow|yesterday)\b/i;
const frameByRows = 0x4; // FRAMEOPTION_ROWS of PostgreSQL's parsenodes.h

/** Every value that an expression node may be, translated; what is done by the way is written into the walk's findings. */
export function expression(walk: Walk, wrapped: Node): Expression {
  const { type, fields } = unwrap(wrapped);
  switch (type) {
    case 'ColumnRef':
      return column(walk, fields);
    case 'A_Const':
      return constant(walk, fields);
    case 'ParamRef':
      return { type: 'constant' };
    case 'FuncCall':
      return call(walk, fields);
    case 'A_Expr':
      return operation(walk, fields);
    case 'BoolExpr':
      return {
        type: fields['boolop'] === 'AND_EXPR' ? 'and' : 'other',
        children: expressions(walk, fields['args']),
      };
    case 'TypeCast':
      return cast(walk, fields);
    case 'SubLink':
      return subquery(walk, fields);
    case 'SQLValueFunction':
      return sqlValue(walk, text(fields['op']) ?? '');
    case 'A_Indirection':
      for (const name of namesOf(fields['indirection'])) walk.field(name);
      return other(walk, fields);
    case 'JsonArrayAgg':
    case 'JsonObjectAgg':
      return jsonAggregate(walk, fields);
    case 'SelectStmt':
      return { type: 'subquery', query: translateSelect(walk, fields), children: [] };
    default:
      return other(walk, fields);
  }
}

/** A list of expression nodes. */
export function expressions(walk: Walk, list: unknown): Expression[] {
  return nodes(list).map((each) => expression(walk, each));
}

/** A field that may hold an expression. */
export function optional(walk: Walk, value: unknown): Expression[] {
  const wrapped = node(value);
  return wrapped === undefined ? [] : [expression(walk, wrapped)];
}

/** Any other node: what its fields hold, together. */
function other(walk: Walk, fields: Node): Expression {
  return { type: 'other', children: childrenOf(walk, fields) };
}

function childrenOf(walk: Walk, fields: Node): Expression[] {
  return Object.entries(fields).flatMap(([name, value]): Expression[] => {
    if (name === 'typeName') return typeName(walk, node(value));
    if (Array.isArray(value)) return nodes(value).map((each) => expressionOrFields(walk, each));
    const single = node(value);
    return single === undefined ? [] : [expressionOrFields(walk, single)];
  });
}

/** Fields of one type stand without its name, all others under it. */
function expressionOrFields(walk: Walk, value: Node): Expression {
  const [first = ''] = Object.keys(value);
  return /^[A-Z]/.test(first) ? expression(walk, value) : other(walk, value);
}

/** Notes a type's name. */
export function typeName(walk: Walk, fields: Node | undefined): [] {
  const name = namesOf(fields?.['names']).at(-1);
  if (name !== undefined) walk.type(name);
  return [];
}

function column(walk: Walk, fields: Node): Expression {
  const path = namesOf(fields['fields']);
  const star = nodes(fields['fields']).some((each) => 'A_Star' in each);
  if (star) return { type: 'star', of: path.at(-1) };
  if (path.length > 1) walk.field(path.at(-1) ?? '');
  return { type: 'column', path };
}

function constant(walk: Walk, fields: Node): Expression {
  const integer = node(fields['ival']);
  if (integer !== undefined) return { type: 'constant', value: Number(integer['ival'] ?? 0) };
  const value = text(node(fields['sval'])?.['sval']);
  // PL/pgSQL makes it a time where it is assigned to one.
  if (value !== undefined && namesNow.test(value)) walk.findings.answersAnew('time');
  return value === undefined ? { type: 'constant' } : { type: 'constant', value };
}

/** A text that means the time once it becomes one, by an operator or a function that takes a time. */
function timeInDisguise(args: readonly Expression[]): Cause[] {
  const found = args.some(
    (each) =>
      each.type === 'constant' && typeof each.value === 'string' && namesNow.test(each.value),
  );
  return found ? ['time'] : [];
}

function operation(walk: Walk, fields: Node): Expression {
  const names = namesOf(fields['name']);
  walk.operator(names.at(-1) ?? '');
  const [left, right] = [optional(walk, fields['lexpr']), list(walk, fields['rexpr'])];
  const [first, second] = [left[0], right[0]];
  const causes = timeInDisguise([...left, ...right]);
  const equals = fields['kind'] === 'AEXPR_OP' && names.at(-1) === '=';
  if (equals && first !== undefined && second !== undefined && causes.length === 0)
    return { type: 'equals', left: first, right: second };
  const children = [...left, ...right];
  const [operator = '', ...path] = names;
  const isPlain = fields['kind'] === 'AEXPR_OP' && path.length === 0;
  const tells = isPlain && !hasOwnOperator(walk, operator) ? toldBy(operator, children) : undefined;
  return { type: 'other', children, causes, tells };
}

/** A user's own operator of this name may stand for anything. */
function hasOwnOperator(walk: Walk, name: string): boolean {
  return (walk.options.catalogue.general?.operators.get(name) ?? []).length > 0;
}

/** An operand that may be a list: of IN, of BETWEEN. */
function list(walk: Walk, value: unknown): Expression[] {
  const wrapped = node(value);
  if (wrapped !== undefined && 'List' in wrapped)
    return expressions(walk, unwrap(wrapped).fields['items']);
  return optional(walk, value);
}

function cast(walk: Walk, fields: Node): Expression {
  const target = node(fields['typeName']);
  typeName(walk, target);
  const name = namesOf(target?.['names']).at(-1) ?? '';
  const children = optional(walk, fields['arg']);
  const causes = temporal.has(name) ? timeInDisguise(children) : [];
  // A key cast to what it is, or compared with a cast parameter, is still that value.
  const [child] = children;
  const float = floats.has(name);
  if (child?.type === 'constant' && causes.length === 0 && !float) return { type: 'constant' };
  return { type: 'other', children, causes, float };
}

function subquery(walk: Walk, fields: Node): Expression {
  for (const name of namesOf(fields['operName'])) walk.operator(name);
  const children = optional(walk, fields['testexpr']);
  const { type, fields: select } = unwrap(node(fields['subselect']) ?? {});
  if (type !== 'SelectStmt') return { type: 'other', children };
  return { type: 'subquery', query: translateSelect(walk, select), children };
}

function sqlValue(walk: Walk, name: string): Expression {
  if (/USER|ROLE|SCHEMA|CATALOG/.test(name)) {
    walk.findings.uses('reads');
    return { type: 'other', children: [] };
  }
  walk.findings.answersAnew('time');
  return { type: 'other', children: [], causes: ['time'] };
}

function jsonAggregate(walk: Walk, fields: Node): Expression {
  const constructor = node(fields['constructor']) ?? {};
  const rest = Object.fromEntries(
    Object.entries(fields).filter(([name]) => name !== 'constructor'),
  );
  return {
    type: 'call',
    name: 'json_agg',
    args: childrenOf(walk, rest),
    order: order(walk, constructor['agg_order']),
    filter: optional(walk, constructor['agg_filter']),
    window: window(walk, node(constructor['over'])),
    causes: [],
    aggregate: true,
    sensitive: 'order',
    float: 'never',
    returnsSet: false,
  };
}

function call(walk: Walk, fields: Node): Call {
  const names = namesOf(fields['funcname']);
  const name = names.at(-1) ?? '';
  const args = expressions(walk, fields['args']);
  const facts = walk.call(name, names.at(-2), args.length);
  const inside = fields['agg_within_group'] === true;
  const ordered = order(walk, fields['agg_order']);
  return {
    type: 'call',
    name,
    args: inside ? [...args, ...ordered] : args,
    order: ordered,
    filter: optional(walk, fields['agg_filter']),
    window: window(walk, node(fields['over'])),
    ...facts,
    causes: [...facts.causes, ...timeInDisguise(args)],
  };
}

/** The terms of an ORDER BY. */
export function order(walk: Walk, list: unknown): Expression[] {
  return nodes(list).flatMap((each) => {
    const { fields } = unwrap(each);
    for (const name of namesOf(fields['useOp'])) walk.operator(name);
    return optional(walk, fields['node']);
  });
}

/** A window, of OVER or of the WINDOW clause. */
export function window(walk: Walk, fields: Node | undefined): Window | undefined {
  if (fields === undefined) return undefined;
  const frame = Number(fields['frameOptions'] ?? 0);
  return {
    name: text(fields['refname']) ?? text(fields['name']),
    partition: expressions(walk, fields['partitionClause']),
    order: order(walk, fields['orderClause']),
    byRows: (frame & frameByRows) !== 0,
    children: [...optional(walk, fields['startOffset']), ...optional(walk, fields['endOffset'])],
  };
}

/** No query: what a view or function that is no SELECT stands for. */
export const noQuery: Query = {
  ctes: [],
  body: { type: 'values', rows: [] },
  order: [],
  limit: undefined,
  withTies: false,
  sampled: false,
};
