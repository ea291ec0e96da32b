import type { CommonTable, Query, Relation, Select, Source, Window } from '../query/query.ts';
import { namesOf, node, nodes, type Node, text, unwrap } from './parser.ts';
import type { RelationFact } from './facts.ts';
import {
  expression,
  noQuery,
  expressions,
  optional,
  order,
  typeName,
  window,
} from './translate-expression.ts';
import { translateStatement } from './translate-statement.ts';
import type { Walk } from './walk.ts';

/** A SELECT with all its clauses, set operations and VALUES included. */
export function translateSelect(walk: Walk, fields: Node): Query {
  walk.commonTables.push([]);
  const ctes = commonTables(walk, node(fields['withClause']));
  const query: Query = {
    ctes,
    body: body(walk, fields),
    order: order(walk, fields['sortClause']),
    limit:
      fields['limitCount'] === undefined && fields['limitOffset'] === undefined
        ? undefined
        : [...optional(walk, fields['limitCount']), ...optional(walk, fields['limitOffset'])],
    withTies:
      fields['limitOption'] === 'LIMIT_OPTION_WITH_TIES' && fields['limitOffset'] === undefined,
    sampled: false,
  };
  if (nodes(fields['lockingClause']).length > 0)
    walk.findings.act('locks rows', 'FOR UPDATE or FOR SHARE');
  into(walk, node(fields['intoClause']));
  walk.commonTables.pop();
  return query;
}

function into(walk: Walk, clause: Node | undefined): void {
  const relation = node(clause?.['rel']);
  if (relation === undefined) return;
  const name = text(relation['relname']) ?? '';
  walk.findings.act('changes the schema', `SELECT INTO ${name}`);
  walk.findings.table(name, text(relation['schemaname']), true);
  if (relation['relpersistence'] !== 't') return;
  walk.findings.uses('temporary');
  walk.options.temporary.add(name, undefined);
}

/** WITH. Its names are in sight of what stands behind it, and of itself where it is recursive. */
export function commonTables(walk: Walk, clause: Node | undefined): CommonTable[] {
  const recursive = clause?.['recursive'] === true;
  const scope = walk.commonTables.at(-1) ?? [];
  const all = nodes(clause?.['ctes']).map((each) => unwrap(each).fields);
  if (recursive) scope.push(...all.flatMap(({ ctename }) => text(ctename) ?? []));
  return all.flatMap((fields) => {
    const name = text(fields['ctename']) ?? '';
    const query = translateStatement(walk, node(fields['ctequery']) ?? {});
    scope.push(name);
    const names = namesOf(fields['aliascolnames']);
    return query === undefined
      ? []
      : [{ name, names: names.length > 0 ? names : undefined, recursive, query }];
  });
}

function body(walk: Walk, fields: Node): Query['body'] {
  const rows = nodes(fields['valuesLists']);
  if (rows.length > 0)
    return {
      type: 'values',
      rows: rows.map((row) => expressions(walk, unwrap(row).fields['items'])),
    };
  if (fields['op'] !== 'SETOP_NONE' && fields['op'] !== undefined)
    return {
      type: 'set',
      all: fields['all'] === true,
      left: translateSelect(walk, node(fields['larg']) ?? {}),
      right: translateSelect(walk, node(fields['rarg']) ?? {}),
    };
  return select(walk, fields);
}

function select(walk: Walk, fields: Node): Select {
  const from = nodes(fields['fromClause']).map((each) => source(walk, each));
  const groups = nodes(fields['groupClause']);
  const distinct = Array.isArray(fields['distinctClause']) ? fields['distinctClause'] : [];
  const distinctOn = expressions(
    walk,
    distinct.filter((each) => Object.keys(node(each) ?? {}).length > 0),
  );
  return {
    type: 'select',
    items: nodes(fields['targetList']).map((each) => {
      const { fields: target } = unwrap(each);
      const value = expression(walk, node(target['val']) ?? {});
      return { expression: value, name: text(target['name']) ?? defaultName(value) };
    }),
    from,
    where: optional(walk, fields['whereClause']),
    group: groups.length > 0 ? expressions(walk, groups) : undefined,
    groupingSets: groups.some((each) => 'GroupingSet' in each),
    having: optional(walk, fields['havingClause']),
    distinct: distinct.length > 0 && distinctOn.length === 0,
    distinctOn,
    windows: windows(walk, fields['windowClause']),
  };
}

/** The name that PostgreSQL gives a column without an alias, where another query could refer to it. */
function defaultName(value: Select['items'][number]['expression']): string | undefined {
  if (value.type === 'column') return value.path.at(-1);
  return value.type === 'call' ? value.name : undefined;
}

function windows(walk: Walk, list: unknown): Map<string, Window> {
  return new Map(
    nodes(list).flatMap((each) => {
      const { fields } = unwrap(each);
      const name = text(fields['name']);
      const found = window(walk, { ...fields, name: undefined });
      return name === undefined || found === undefined ? [] : [[name, found] as const];
    }),
  );
}

function source(walk: Walk, wrapped: Node): Source {
  const { type, fields } = unwrap(wrapped);
  const alias = node(fields['alias']);
  const aliasName = text(alias?.['aliasname']);
  const names = namesOf(alias?.['colnames']);
  const named = names.length > 0 ? { names } : {};
  switch (type) {
    case 'RangeVar':
      return table(walk, fields, false);
    case 'RangeTableSample': {
      for (const name of namesOf(fields['method']))
        if (!/^(system|bernoulli)$/.test(name)) walk.call(name, undefined, 1);
      optional(walk, fields['repeatable']);
      expressions(walk, fields['args']);
      const inner = unwrap(node(fields['relation']) ?? {}).fields;
      return table(walk, inner, fields['repeatable'] === undefined);
    }
    case 'RangeSubselect': {
      const inner = translateStatement(walk, node(fields['subquery']) ?? {});
      const query = inner ?? noQuery;
      return { type: 'query', query, alias: aliasName ?? '', ...named, sampled: false };
    }
    case 'JoinExpr':
      return join(walk, fields);
    case 'RangeFunction':
      return functions(walk, fields, aliasName, names);
    default: {
      // XMLTABLE, JSON_TABLE and what a newer PostgreSQL brings.
      const call = expression(walk, wrapped);
      const open = names.length > 0 ? names : undefined;
      return { type: 'function', calls: [call], alias: aliasName ?? '', names: open };
    }
  }
}

function join(walk: Walk, fields: Node): Source {
  const kinds: Readonly<Record<string, 'left' | 'right' | 'full'>> = {
    JOIN_LEFT: 'left',
    JOIN_RIGHT: 'right',
    JOIN_FULL: 'full',
  };
  const left = source(walk, node(fields['larg']) ?? {});
  const right = source(walk, node(fields['rarg']) ?? {});
  // ON, USING and NATURAL compare with operators that the text doesn't show.
  walk.operator('=');
  return {
    type: 'join',
    kind: kinds[text(fields['jointype']) ?? ''] ?? 'inner',
    left,
    right,
    on: optional(walk, fields['quals']),
    using: fields['isNatural'] === true ? 'natural' : namesOf(fields['usingClause']),
  };
}

const scalars = new Set(
  'bool bpchar bytea char date float4 float8 int2 int4 int8 interval json jsonb name numeric oid text time timestamp timestamptz timetz uuid varchar'.split(
    ' ',
  ),
);

function functions(
  walk: Walk,
  fields: Node,
  alias: string | undefined,
  names: readonly string[],
): Source {
  const lists = nodes(fields['functions']).map((each) => nodes(unwrap(each).fields['items']));
  const calls = lists.flatMap(([call]) => (call === undefined ? [] : [expression(walk, call)]));
  const definitions = nodes(fields['coldeflist']).map((each) => unwrap(each).fields);
  for (const { typeName: type } of definitions) typeName(walk, node(type));
  const [only] = calls;
  const name = only?.type === 'call' ? only.name : undefined;
  const facts = name === undefined ? [] : (walk.options.catalogue.functions(name) ?? []);
  const single =
    calls.length === 1 &&
    fields['ordinality'] !== true &&
    facts.length > 0 &&
    facts.every(({ result }) => scalars.has(result));
  const defined = definitions.flatMap(({ colname }) => text(colname) ?? []);
  const given = names.length > 0 ? names : defined.length > 0 ? defined : undefined;
  const own = single ? [alias ?? name ?? ''] : undefined;
  return { type: 'function', calls, alias: alias ?? name ?? '', names: given ?? own };
}

function table(walk: Walk, fields: Node, sampled: boolean): Source {
  const name = text(fields['relname']) ?? '';
  const schema = text(fields['schemaname']);
  const alias = node(fields['alias']);
  const names = namesOf(alias?.['colnames']);
  const named = names.length > 0 ? { names } : {};
  const known = text(alias?.['aliasname']) ?? name;
  if (schema === undefined && walk.commonTables.some((scope) => scope.includes(name)))
    return { type: 'cte', name, alias: known, ...named };
  return {
    type: 'relation',
    relation: relation(walk, name, schema),
    alias: known,
    ...named,
    sampled,
  };
}

/** A table that is read: what its view, its policies and its kind do with it. */
export function relation(walk: Walk, name: string, schema: string | undefined): Relation {
  walk.findings.table(name, schema, false);
  const unknown: Relation = { name, columns: undefined, keys: [], view: undefined, causes: [] };
  if (schema === 'pg_temp' || schema?.startsWith('pg_temp_') === true) {
    temporary(walk, name);
    return unknown;
  }
  if (schema === undefined && temporary(walk, name)) return unknown;
  const fact = walk.relation(name, schema);
  if (fact === undefined) return unknown;
  if (fact.temporary) walk.findings.uses('temporary');
  if (fact.foreign) walk.findings.act('reaches outside the database', `foreign table ${name}`);
  for (const condition of fact.policies) walk.inside(`policy of ${name}`, `select ${condition}`);
  const view = fact.view === null ? undefined : walk.inside(`view ${name}`, fact.view);
  return { name, columns: columnsOf(fact), keys: fact.keys, view, causes: [] };
}

/** Whether the name may mean temporary objects. They are noted; a view among them is looked into. */
function temporary(walk: Walk, name: string): boolean {
  const definitions = walk.options.temporary.get(name);
  if (definitions === 'anything') {
    walk.findings.act('not understood', `${name} may be one of very many temporary objects`);
    return true;
  }
  if (definitions.length > 0) walk.findings.uses('temporary');
  for (const definition of definitions)
    if (definition !== undefined) walk.within(`temporary view ${name}`, () => [definition]);
  return definitions.length > 0;
}

function columnsOf(fact: RelationFact): Relation['columns'] {
  return fact.columns.map(({ name, type }) => ({
    name,
    float: /^float[48]$/.test(type),
    whole: /^int[248]$/.test(type),
  }));
}
