import {
  type CommonTable,
  type Expression,
  type Query,
  type Select,
  type Source,
  toldBy,
  type Window,
} from '../query/query.ts';
import * as reviewed from './reviewed.ts';
import { causesOf, type Node, type Walk } from './walk.ts';

function node(value: unknown): Node | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Node)
    : undefined;
}

function nodes(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter((each): each is Node => node(each) !== undefined) : [];
}

function name(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

function names(value: unknown): string[] {
  return Array.isArray(value) ? value.map(name) : [];
}

/** A statement of `json_serialize_sql`. */
export function translate(walk: Walk, statement: Node): Query {
  return query(walk, node(statement['node']) ?? {});
}

function query(walk: Walk, fields: Node): Query {
  walk.commonTables.push([]);
  const ctes = commonTables(walk, fields);
  const body = bodyOf(walk, fields);
  const modifiers = nodes(fields['modifiers']);
  const orders = modifiers.filter(({ type }) => type === 'ORDER_MODIFIER');
  const limits = modifiers.filter(({ type }) => /^LIMIT/.test(String(type)));
  const terms = orders.flatMap((each) => orderTerms(walk, each));
  const all = terms.some((term) => term.type === 'star');
  const found: Query = {
    ctes,
    body,
    order: all ? 'all' : terms,
    limit:
      limits.length === 0
        ? undefined
        : limits.flatMap((each) => [
            ...optional(walk, each['limit']),
            ...optional(walk, each['offset']),
          ]),
    withTies: false,
    sampled: unseeded(fields['sample']),
  };
  walk.commonTables.pop();
  return found;
}

function unseeded(sample: unknown): boolean {
  const found = node(sample);
  return found !== undefined && Number(found['seed'] ?? -1) < 0;
}

function commonTables(walk: Walk, fields: Node): CommonTable[] {
  const scope = walk.commonTables.at(-1) ?? [];
  return nodes(node(fields['cte_map'])?.['map']).map((entry) => {
    const value = node(entry['value']) ?? {};
    const inner = node(node(value['query'])?.['node']) ?? {};
    const recursive = /RECURSIVE/.test(String(inner['type']));
    const cte = name(entry['key']);
    if (recursive) scope.push(cte);
    const found = query(walk, inner);
    scope.push(cte);
    const aliases = names(value['aliases']);
    return { name: cte, names: aliases.length > 0 ? aliases : undefined, recursive, query: found };
  });
}

function bodyOf(walk: Walk, fields: Node): Query['body'] {
  switch (fields['type']) {
    case 'SELECT_NODE':
      return select(walk, fields);
    case 'SET_OPERATION_NODE': {
      const sides = nodes([fields['left'], fields['right'], ...nodes(fields['children'])]);
      const queries = sides.map((side) => query(walk, side));
      return chain(queries, fields['setop_all'] === true);
    }
    case 'RECURSIVE_CTE_NODE':
      return chain(
        [query(walk, node(fields['left']) ?? {}), query(walk, node(fields['right']) ?? {})],
        fields['union_all'] === true,
      );
    case 'CTE_NODE':
      query(walk, node(fields['query']) ?? {});
      return query(walk, node(fields['child']) ?? {}).body;
    default:
      walk.findings.act('not understood', `a node ${String(fields['type'])}`);
      return { type: 'values', rows: [] };
  }
}

function chain(queries: readonly Query[], all: boolean): Query['body'] {
  const [left, right, ...rest] = queries;
  if (left === undefined || right === undefined) return { type: 'values', rows: [] };
  return rest.reduce<Query['body']>(
    (body, next) => ({
      type: 'set',
      all,
      left: { ctes: [], body, order: [], limit: undefined, withTies: false, sampled: false },
      right: next,
    }),
    { type: 'set', all, left, right },
  );
}

function select(walk: Walk, fields: Node): Select {
  const distinct = nodes(fields['modifiers']).filter(({ type }) => type === 'DISTINCT_MODIFIER');
  const distinctOn = distinct.flatMap((each) => expressions(walk, each['distinct_on_targets']));
  const from = source(walk, node(fields['from_table']) ?? {});
  const groups = expressions(walk, fields['group_expressions']);
  const sets = fields['group_sets'];
  return {
    type: 'select',
    items: nodes(fields['select_list']).map((each) => {
      const value = expression(walk, each);
      return { expression: value, name: name(each['alias']) || defaultName(value) };
    }),
    from,
    where: optional(walk, fields['where_clause']),
    group:
      fields['aggregate_handling'] === 'FORCE_AGGREGATES'
        ? 'all'
        : groups.length > 0
          ? groups
          : undefined,
    groupingSets: Array.isArray(sets) && sets.length > 1,
    having: [...optional(walk, fields['having']), ...optional(walk, fields['qualify'])],
    distinct: distinct.length > 0 && distinctOn.length === 0,
    distinctOn,
    windows: new Map(),
  };
}

function defaultName(value: Expression): string | undefined {
  if (value.type === 'column') return value.path.at(-1);
  return value.type === 'call' ? value.name : undefined;
}

function source(walk: Walk, fields: Node): Source[] {
  const aliases = names(fields['column_name_alias']);
  const named = aliases.length > 0 ? { names: aliases } : {};
  const sampled = unseeded(fields['sample']);
  const alias = name(fields['alias']);
  switch (fields['type']) {
    case 'EMPTY':
      return [];
    case 'BASE_TABLE':
      return [table(walk, fields, { alias, named, sampled })];
    case 'SUBQUERY': {
      const inner = query(walk, node(node(fields['subquery'])?.['node']) ?? {});
      return [{ type: 'query', query: inner, alias, ...named, sampled }];
    }
    case 'JOIN':
      return [join(walk, fields)];
    case 'TABLE_FUNCTION': {
      const call = node(fields['function']) ?? {};
      const called = name(call['function_name']);
      const args = expressions(walk, call['children']);
      const inner = walk.tableFunction(called);
      if (inner !== undefined)
        return [{ type: 'query', query: inner, alias: alias || called, ...named, sampled }];
      const causes = causesOf(called);
      return [
        {
          type: 'function',
          calls: [{ type: 'other', children: args, causes }],
          alias: alias || called,
          names: named.names,
        },
      ];
    }
    case 'EXPRESSION_LIST': {
      const rows = (Array.isArray(fields['values']) ? fields['values'] : []).map((row) =>
        expressions(walk, row),
      );
      const values: Query = {
        ctes: [],
        body: { type: 'values', rows },
        order: [],
        limit: undefined,
        withTies: false,
        sampled: false,
      };
      return [{ type: 'query', query: values, alias, ...named, sampled }];
    }
    case 'SHOW_REF': {
      const inner = node(fields['query']);
      const calls = inner === undefined ? [] : [shown(walk, inner)];
      return [{ type: 'function', calls, alias, names: undefined }];
    }
    case 'PIVOT': {
      const sources = source(walk, node(fields['source']) ?? {});
      const rest = Object.entries(fields).filter(([key]) => key !== 'source');
      const calls = [other(walk, Object.fromEntries(rest))];
      return [...sources, { type: 'function', calls, alias, names: undefined }];
    }
    default:
      walk.findings.act('not understood', `${String(fields['type'])} in FROM`);
      return [];
  }
}

/** DESCRIBE, SHOW, SUMMARIZE: a name after SHOW may be a setting's, which is told all the same. */
function shown(walk: Walk, inner: Node): Expression {
  const from = node(inner['from_table']);
  const shownName = name(from?.['table_name']);
  const known = from?.['type'] !== 'BASE_TABLE' || walk.options.catalogue.relations.has(shownName);
  if (known) return { type: 'subquery', query: query(walk, inner), children: [] };
  walk.findings.uses('reads');
  return { type: 'constant' };
}

function table(
  walk: Walk,
  fields: Node,
  at: { alias: string; named: { names?: string[] }; sampled: boolean },
): Source {
  const called = name(fields['table_name']);
  const schema = name(fields['schema_name']);
  const alias = at.alias || called;
  if (schema === '' && walk.commonTables.some((scope) => scope.includes(called)))
    return { type: 'cte', name: called, alias, ...at.named };
  walk.findings.table(called, schema === '' ? undefined : schema, false);
  walk.tells(called);
  const fact = walk.relation(called);
  const system =
    schema === 'information_schema' ||
    schema === 'pg_catalog' ||
    /^(duckdb|pg|pragma|sqlite)_/.test(called);
  const file = /[./*]/.test(called);
  const temporary = walk.isTemporary(called);
  if (fact === undefined && !system && !file && !temporary)
    walk.findings.act('not understood', `there is no table ${called}`);
  const definition = fact?.view ?? null;
  const view = definition === null ? undefined : walk.inside(`view ${called}`, definition);
  const relation = {
    name: called,
    columns: temporary ? undefined : fact?.columns,
    keys: temporary ? [] : (fact?.keys ?? []),
    view,
    causes: [],
  };
  return { type: 'relation', relation, alias, ...at.named, sampled: at.sampled };
}

function join(walk: Walk, fields: Node): Source {
  const one = (side: unknown): Source => {
    const [first, ...rest] = source(walk, node(side) ?? {});
    const empty: Source = { type: 'function', calls: [], alias: '', names: [] };
    return rest.reduce<Source>(
      (left, right) => ({ type: 'join', kind: 'inner', left, right, on: [], using: [] }),
      first ?? empty,
    );
  };
  const kinds: Readonly<Record<string, 'left' | 'right' | 'full' | 'inner'>> = {
    LEFT: 'left',
    RIGHT: 'right',
    OUTER: 'full',
    INNER: 'inner',
    SEMI: 'inner',
    ANTI: 'inner',
  };
  const left = one(fields['left']);
  const right = one(fields['right']);
  return {
    type: 'join',
    kind: kinds[String(fields['join_type'])] ?? 'full',
    left,
    right,
    on: optional(walk, fields['condition']),
    using: fields['ref_type'] === 'NATURAL' ? 'natural' : names(fields['using_columns']),
  };
}

function expressions(walk: Walk, list: unknown): Expression[] {
  return nodes(list).map((each) => expression(walk, each));
}

function optional(walk: Walk, value: unknown): Expression[] {
  const found = node(value);
  return found === undefined ? [] : [expression(walk, found)];
}

function orderTerms(walk: Walk, modifier: Node | undefined): Expression[] {
  return nodes(modifier?.['orders']).flatMap((each) => optional(walk, each['expression']));
}

function expression(walk: Walk, fields: Node): Expression {
  switch (fields['class']) {
    case 'COLUMN_REF':
      return column(walk, names(fields['column_names']));
    case 'CONSTANT':
      return constant(node(fields['value']));
    case 'PARAMETER':
      return { type: 'constant' };
    case 'STAR':
      return star(walk, fields);
    case 'FUNCTION':
      return call(walk, fields);
    case 'WINDOW':
      return windowCall(walk, fields);
    case 'SUBQUERY': {
      const inner = query(walk, node(node(fields['subquery'])?.['node']) ?? {});
      return { type: 'subquery', query: inner, children: optional(walk, fields['child']) };
    }
    case 'COMPARISON': {
      const [left] = optional(walk, fields['left']);
      const [right] = optional(walk, fields['right']);
      if (left === undefined || right === undefined) return other(walk, fields);
      if (fields['type'] === 'COMPARE_EQUAL') return { type: 'equals', left, right };
      return {
        type: 'other',
        children: [left, right],
        causes: [left, right].some(meansNow) ? ['time'] : [],
      };
    }
    case 'CONJUNCTION':
      return {
        type: fields['type'] === 'CONJUNCTION_AND' ? 'and' : 'other',
        children: expressions(walk, fields['children']),
      };
    case 'CAST': {
      const children = optional(walk, fields['child']);
      const type = String(node(fields['cast_type'])?.['id']);
      const time = /^(TIME|DATE)/.test(type) && children.some(meansNow);
      return {
        type: 'other',
        children,
        causes: time ? ['time'] : [],
        float: /^(DOUBLE|FLOAT)$/.test(type),
      };
    }
    default:
      return other(walk, fields);
  }
}

function meansNow(value: Expression): boolean {
  return (
    value.type === 'constant' &&
    typeof value.value === 'string' &&
    /^\s*(now|today|tomorrow|yesterday)\b/i.test(value.value)
  );
}

/** A decimal is told by its digits alone, which is another number. */
function constant(fields: Node | undefined): Expression {
  const value = fields?.['value'];
  const isWhole = node(fields?.['type'])?.['id'] === 'INTEGER' && typeof value === 'number';
  return typeof value === 'string' || isWhole ? { type: 'constant', value } : { type: 'constant' };
}

/** A name alone may be a function without parentheses. */
function column(walk: Walk, path: string[]): Expression {
  const [only = ''] = path;
  const causes = path.length === 1 ? causesOf(only) : [];
  if (path.length === 1) walk.tells(only);
  if (causes.length > 0) return { type: 'other', children: [], causes };
  return { type: 'column', path };
}

function star(walk: Walk, fields: Node): Expression {
  const replaced = nodes(fields['replace_list']).flatMap((each) => optional(walk, each['value']));
  const inner = optional(walk, fields['expr']);
  const renamed =
    nodes(fields['rename_list']).length > 0 || nodes(fields['qualified_exclude_list']).length > 0;
  const of = name(fields['relation_name']);
  return {
    type: 'star',
    of: of === '' ? undefined : of,
    without: names(fields['exclude_list']),
    open: fields['columns'] === true || inner.length > 0 || renamed,
    replaced: [...replaced, ...inner],
  };
}

function call(walk: Walk, fields: Node): Expression {
  const called = name(fields['function_name']);
  const facts = walk.call(called);
  // DuckDB writes list(a ORDER BY a) as list_sort(list(a), …).
  const sorts = /^(list|array)_(reverse_)?sort$/.test(called);
  const args = expressions(walk, fields['children']).map((each): Expression =>
    sorts && each.type === 'call' ? { ...each, sensitive: undefined } : each,
  );
  return {
    type: 'call',
    name: called,
    args,
    order: reviewed.extremeBySecond.test(called)
      ? args.slice(1, 2)
      : orderTerms(walk, node(fields['order_bys'])),
    filter: optional(walk, fields['filter']),
    window: undefined,
    ...facts,
    tells: walk.isOwnOperator(called, fields) ? toldBy(called, args) : undefined,
  };
}

function windowCall(walk: Walk, fields: Node): Expression {
  const called = name(fields['function_name']);
  const facts = walk.call(called);
  const bounds = `${String(fields['start'])} ${String(fields['end'])}`;
  const window: Window = {
    name: undefined,
    partition: expressions(walk, fields['partitions']),
    order: orderTerms(walk, { orders: fields['orders'] }),
    byRows: /ROWS/.test(bounds),
    children: ['start_expr', 'end_expr', 'offset_expr', 'default_expr'].flatMap((each) =>
      optional(walk, fields[each]),
    ),
  };
  return {
    type: 'call',
    name: called,
    args: expressions(walk, fields['children']),
    order: orderTerms(walk, { orders: fields['arg_orders'] }),
    filter: optional(walk, fields['filter_expr']),
    window,
    ...facts,
    sensitive: reviewed.positionWindows.has(called) ? 'position' : facts.sensitive,
  };
}

/** Any other node: what its fields hold, together. */
function other(walk: Walk, fields: Node): Expression {
  const children = Object.values(fields).flatMap((value): Expression[] => {
    if (Array.isArray(value)) return nodes(value).map((each) => either(walk, each));
    const single = node(value);
    return single === undefined ? [] : [either(walk, single)];
  });
  return { type: 'other', children };
}

function either(walk: Walk, fields: Node): Expression {
  if (/_NODE$/.test(String(fields['type'])))
    return { type: 'subquery', query: query(walk, fields), children: [] };
  return typeof fields['class'] === 'string' ? expression(walk, fields) : other(walk, fields);
}
