import type { Cause, OrderPromise, Undetermined } from '../statement.ts';
import { evaluate, evaluateAll, type QueryContext, identifiesGroups } from './evaluate.ts';
import type { Expression, Query, Select } from './query.ts';
import { type Column, nothing, type Rows, type Scope, union, type Value } from './rows.ts';
import { type CommonTables, emptyScope, scopeOf } from './sources.ts';

/** What an answer determines. */
export interface Analysis {
  readonly order: OrderPromise;
  /** The order leaves ties, and the data alone determines which. */
  readonly tiesDetermined: boolean;
  /** As a statement's. */
  readonly sortedBy: readonly (number | string)[];
  /** What LIMIT keeps; undefined: there is none. */
  readonly limited: 'determined' | 'ties' | 'any' | undefined;
  readonly undetermined: readonly Undetermined[];
}

interface Answer extends Rows {
  readonly order: OrderPromise;
  readonly tiesDetermined: boolean;
  readonly limited: Analysis['limited'];
}

/** Works out what is determined of a query's answer, and what differs from run to run. */
export function analyse(query: Query): Analysis {
  const answer = answerOf(query, new Map(), undefined);
  return {
    order: answer.order,
    tiesDetermined: answer.tiesDetermined,
    sortedBy: answer.order === 'none' ? [] : sortedBy(query),
    limited: answer.limited,
    undetermined: [
      ...[...answer.causes].map((what): Undetermined => ({ what, where: 'rows' })),
      ...undeterminedColumns(answer.columns),
    ],
  };
}

/** The answer's columns that ORDER BY names, up to the first term that is something else. */
function sortedBy({ order, body }: Query): (number | string)[] {
  const items = body.type === 'select' ? body.items : [];
  const star = items.findIndex(({ expression }) => expression.type === 'star');
  // Of UNION and the like the first query names the columns.
  if (order === 'all' && body.type === 'set') return sortedBy({ ...body.left, order });
  // Behind a star's first column nobody knows how many others come.
  if (order === 'all') return items.slice(0, star === -1 ? undefined : star + 1).map((_, at) => at);
  const places = order.map((term): number | string | undefined => {
    if (term.type === 'constant' && typeof term.value === 'number') return term.value - 1;
    // A bare name is that of a column of the answer, if there is one.
    if (term.type === 'column' && term.path.length === 1) return term.path[0];
    const text = JSON.stringify(term);
    const item = items.findIndex(({ expression }) => JSON.stringify(expression) === text);
    if (item !== -1 && (star === -1 || item < star)) return item;
    return body.type === 'select' && term.type === 'column' ? shownBy(term.path, body) : undefined;
  });
  const told = places.indexOf(undefined);
  return (told === -1 ? places : places.slice(0, told)).filter((place) => place !== undefined);
}

/** The name under which the one star of a select shows `t.a`; undefined: nobody can be sure that it does. */
function shownBy(path: readonly string[], { items, from }: Select): string | undefined {
  const [qualifier, name, ...more] = path;
  const stars = items.filter(({ expression }) => expression.type === 'star');
  const [star] = stars;
  if (name === undefined || more.length > 0 || stars.length !== 1) return undefined;
  if (star?.expression.type !== 'star' || star.expression.open === true) return undefined;
  const { of, without = [], replaced = [] } = star.expression;
  const isAll = of === undefined && from.length === 1 && from[0]?.type !== 'join';
  if ((of !== qualifier && !isAll) || without.includes(name) || replaced.length > 0)
    return undefined;
  const clashes = items.some(
    (item) =>
      item !== star &&
      (item.name ?? (item.expression.type === 'column' ? item.expression.path.at(-1) : name)) ===
        name,
  );
  return clashes ? undefined : name;
}

/** By index from the front up to the first column of unknown width, by index from the end behind the last one. */
function undeterminedColumns(columns: readonly Column[]): Undetermined[] {
  const firstOpen = columns.findIndex(({ open }) => open);
  const lastOpen = columns.findLastIndex(({ open }) => open);
  const indexes = new Map<Cause, Set<number> | 'rows'>();
  columns.forEach(({ causes }, index) => {
    for (const cause of causes) {
      const known = indexes.get(cause) ?? new Set();
      if (known === 'rows') continue;
      indexes.set(cause, known);
      if (firstOpen === -1 || index < firstOpen) known.add(index);
      else if (index > lastOpen) known.add(index - columns.length);
      else indexes.set(cause, 'rows');
    }
  });
  return [...indexes].map(([what, found]) =>
    found === 'rows'
      ? { what, where: 'rows' }
      : { what, where: 'columns', columns: Object.freeze([...found]) },
  );
}

/** What is known of a query's rows where it stands inside another one: there LIMIT's choice goes into the rows' causes. */
export function rowsOf(query: Query, ctes: CommonTables, parent: Scope | undefined): Rows {
  const answer = answerOf(query, ctes, parent);
  const chosen = answer.limited === 'any' || answer.limited === 'ties';
  return chosen ? { ...answer, causes: union(answer.causes, new Set(['choice of rows'])) } : answer;
}

function answerOf(query: Query, outer: CommonTables, parent: Scope | undefined): Answer {
  const ctes = withCommonTables(query, outer, parent);
  switch (query.body.type) {
    case 'select':
      return answerOfSelect(query, query.body, ctes, parent);
    case 'set': {
      const [left, right] = [query.body.left, query.body.right].map((side) =>
        rowsOf(side, ctes, parent),
      ) as [Rows, Rows];
      return withOrder(query, combined(left, right, query.body.all), ctes, parent);
    }
    case 'values': {
      const at = contextOf(emptyScope(parent), new Map(), undefined, ctes);
      const width = Math.max(0, ...query.body.rows.map((row) => row.length));
      const rows = query.body.rows;
      const columns = Array.from({ length: width }, (_, index): Column => ({
        ...evaluateAll(
          rows.flatMap((row) => row[index] ?? []),
          at,
        ),
        name: `column${index + 1}`,
        open: false,
      }));
      const single = query.body.rows.length < 2;
      return withOrder(query, { columns, causes: nothing, keys: [], single }, ctes, parent);
    }
  }
}

function withCommonTables(
  query: Query,
  outer: CommonTables,
  parent: Scope | undefined,
): CommonTables {
  if (query.ctes.length === 0) return outer;
  const ctes = new Map(outer);
  for (const { name, names, recursive, query: inner } of query.ctes) {
    if (recursive && inner.body.type === 'set')
      ctes.set(name, renamed(rowsOf(inner.body.left, ctes, parent), names));
    // Once more for a recursive one: what its own rows leave open comes back through it.
    const rounds = recursive ? 2 : 1;
    for (let round = 0; round < rounds; round += 1)
      ctes.set(name, renamed(rowsOf(inner, ctes, parent), names));
  }
  return ctes;
}

/** Columns under the names that an alias gives them. */
export function renamed(rows: Rows, names: readonly string[] | undefined): Rows {
  if (names === undefined || names.length === 0) return rows;
  const open = rows.columns.some((column) => column.open);
  if (open) return { ...rows, columns: [...rows.columns], keys: [] };
  const columns = rows.columns.map((column, index) => ({
    ...column,
    name: names[index] ?? column.name,
  }));
  return { ...rows, columns, keys: [] };
}

function combined(left: Rows, right: Rows, all: boolean): Rows {
  const open = [...left.columns, ...right.columns].some((column) => column.open);
  const columns = left.columns.map((column, index): Column => {
    const other = open ? right.columns : right.columns.slice(index, index + 1);
    return {
      ...column,
      causes: other.reduce((causes, each) => union(causes, each.causes), column.causes),
      float: column.float || other.some((each) => each.float),
      whole: column.whole === true && other.every(({ whole }) => whole === true),
    };
  });
  const causes = union(left.causes, right.causes);
  const names = columns.flatMap(({ name }) => name ?? []);
  return {
    columns,
    causes: all ? causes : columns.reduce((set, column) => union(set, column.causes), causes),
    keys: all || open || new Set(names).size !== columns.length ? [] : [names],
    single: false,
  };
}

function contextOf(
  scope: Scope,
  windows: Select['windows'],
  group: readonly Expression[] | undefined,
  ctes: CommonTables,
): QueryContext {
  const query = (inner: Query, within: Scope): Value => {
    const rows = rowsOf(inner, ctes, within);
    return {
      causes: rows.columns.reduce((set, column) => union(set, column.causes), rows.causes),
      float: rows.columns.some(({ float }) => float),
    };
  };
  return { scope, windows, group, query };
}

function answerOfSelect(
  query: Query,
  select: Select,
  ctes: CommonTables,
  parent: Scope | undefined,
): Answer {
  const { scope: inner, causes: fromCauses } = scopeOf(select, ctes, parent);
  const group = groupOf(select);
  const bare = contextOf(inner, select.windows, group, ctes);
  const columns = select.items.flatMap(({ expression, name }) => columnsOf(expression, name, bare));
  const aliases = new Map(
    select.items.flatMap(({ expression, name }) =>
      name === undefined || expression.type === 'star'
        ? []
        : [[name, { value: evaluate(expression, bare), expression }] as const],
    ),
  );
  const at: QueryContext = { ...bare, scope: { ...inner, aliases } };
  const keyed = (terms: readonly Expression[]): boolean =>
    !select.groupingSets && !givesSets(select) && identifiesGroups(terms, at);
  const single = select.group === undefined && hasAggregate(select);
  const outputs = select.items.map(({ expression }) => expression);
  let causes = union(
    fromCauses,
    evaluateAll([...select.where, ...(group ?? []), ...select.having], at).causes,
  );
  if (select.distinct) causes = columns.reduce((set, column) => union(set, column.causes), causes);
  const order = orderTerms(query, select);
  if (select.distinctOn.length > 0 && !keyed(order))
    causes = union(causes, new Set(['choice of rows']));
  const covered = (terms: readonly Expression[]): boolean =>
    single || keyed(terms) || (select.distinct && coversOutputs(terms, outputs));
  const names = columns.flatMap(({ name }) => name ?? []);
  const distinctNames = names.length === columns.length && new Set(names).size === names.length;
  const isKey =
    distinctNames && !columns.some(({ open }) => open) && (select.distinct || covered(outputs));
  return {
    columns,
    causes: union(causes, query.sampled ? new Set(['sample']) : nothing),
    keys: isKey ? keysAmong(columns, select, covered) : [],
    single: single || covered([]),
    ...promise(query, order, (terms) => covered(terms), at),
  };
}

/** Which output columns tell rows apart: the smallest prefix-free choice that is cheap to find, each alone or all together. */
function keysAmong(
  columns: readonly Column[],
  select: Select,
  covered: (terms: readonly Expression[]) => boolean,
): string[][] {
  const alone = select.items.flatMap(({ expression }, index) => {
    const name = columns[index]?.name;
    return name !== undefined && select.items.length === columns.length && covered([expression])
      ? [[name]]
      : [];
  });
  return [...alone, columns.flatMap(({ name }) => name ?? [])];
}

function coversOutputs(terms: readonly Expression[], outputs: readonly Expression[]): boolean {
  const texts = new Set(terms.map((term) => JSON.stringify(term)));
  return outputs.every((output) => output.type !== 'star' && texts.has(JSON.stringify(output)));
}

function groupOf(select: Select): readonly Expression[] | undefined {
  if (select.group === 'all')
    return select.items
      .map(({ expression }) => expression)
      .filter((expression) => !contains(expression, isAggregate));
  return select.group?.map((expression) => namedItem(expression, select) ?? expression);
}

/** The item that a term of GROUP BY or ORDER BY names by its number or its alias. */
function namedItem(term: Expression, select: Select): Expression | undefined {
  if (term.type === 'constant' && typeof term.value === 'number')
    return select.items[term.value - 1]?.expression;
  if (term.type !== 'column' || term.path.length !== 1) return undefined;
  return select.items.find(
    ({ name, expression }) => name === term.path[0] && expression.type !== 'star',
  )?.expression;
}

/** ORDER BY's expressions, numbers and aliases replaced by what they stand for. */
function orderTerms(query: Query, select: Select): readonly Expression[] {
  if (query.order === 'all') return select.items.map(({ expression }) => expression);
  return query.order.map((term) => namedItem(term, select) ?? term);
}

function isAggregate(expression: Expression): boolean {
  return expression.type === 'call' && expression.aggregate && expression.window === undefined;
}

function hasAggregate(select: Select): boolean {
  return [...select.items.map(({ expression }) => expression), ...select.having].some(
    (expression) => contains(expression, isAggregate),
  );
}

function givesSets(select: Select): boolean {
  return select.items.some(({ expression }) =>
    contains(expression, (each) => each.type === 'call' && each.returnsSet),
  );
}

function contains(expression: Expression, wanted: (each: Expression) => boolean): boolean {
  if (wanted(expression)) return true;
  return childrenOf(expression).some((child) => contains(child, wanted));
}

function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.type) {
    case 'call':
      return [...expression.args, ...expression.order, ...expression.filter];
    case 'equals':
      return [expression.left, expression.right];
    case 'and':
    case 'other':
      return expression.children;
    case 'subquery':
      return expression.children;
    default:
      return [];
  }
}

function columnsOf(expression: Expression, name: string | undefined, at: QueryContext): Column[] {
  if (expression.type !== 'star') {
    const last = expression.type === 'column' ? expression.path.at(-1) : undefined;
    return [{ ...evaluate(expression, at), name: name ?? last, open: false }];
  }
  const entries = at.scope.entries.filter(
    ({ alias }) => expression.of === undefined || alias === expression.of,
  );
  const columns = entries
    .flatMap(({ rows }) => rows.columns)
    .filter(
      (column) => column.name === undefined || expression.without?.includes(column.name) !== true,
    );
  const replaced = evaluateAll(expression.replaced ?? [], at);
  if (expression.open !== true && replaced.causes.size === 0 && !at.scope.merged) return columns;
  const all = columns.reduce((set, column) => union(set, column.causes), replaced.causes);
  return [{ name: undefined, open: true, causes: all, float: true }];
}

function withOrder(
  query: Query,
  rows: Rows,
  ctes: CommonTables,
  parent: Scope | undefined,
): Answer {
  const entry = { alias: '', rows };
  const at = contextOf({ ...emptyScope(parent), entries: [entry] }, new Map(), undefined, ctes);
  const byNumber = (term: Expression): Expression => {
    if (term.type !== 'constant' || typeof term.value !== 'number') return term;
    const name = rows.columns[term.value - 1]?.name;
    return name === undefined ? term : { type: 'column', path: [name] };
  };
  const all = rows.columns.flatMap(({ name }): Expression[] =>
    name === undefined ? [] : [{ type: 'column', path: [name] }],
  );
  const terms = query.order === 'all' ? all : query.order.map(byNumber);
  return {
    ...rows,
    ...promise(query, terms, (covered) => rows.single || identifiesGroups(covered, at), at),
  };
}

function promise(
  query: Query,
  terms: readonly Expression[],
  identifies: (terms: readonly Expression[]) => boolean,
  at: QueryContext,
): Pick<Answer, 'order' | 'tiesDetermined' | 'limited'> {
  const { causes } = evaluateAll(terms, at);
  const ordered = terms.length > 0 && !causes.has('random') && !causes.has('order of rows');
  const unique = causes.size === 0 && identifies(terms);
  const order = !ordered ? 'none' : unique ? 'total' : 'ties';
  const told = { order, tiesDetermined: order === 'ties' && causes.size === 0 } as const;
  if (query.limit === undefined) return { ...told, limited: undefined };
  const bound = evaluateAll(query.limit, at);
  if (bound.causes.size > 0) return { ...told, limited: 'any' };
  if (unique || (query.withTies && ordered && causes.size === 0))
    return { ...told, limited: 'determined' };
  return { ...told, limited: ordered ? 'ties' : 'any' };
}
