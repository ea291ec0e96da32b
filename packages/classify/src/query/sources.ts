import type { Cause } from '../statement.ts';
import { renamed, rowsOf } from './analyse.ts';
import { evaluateAll, type QueryContext } from './evaluate.ts';
import type { Expression, Relation, Select, Source } from './query.ts';
import {
  type Column,
  type Entry,
  type Equality,
  identify,
  nothing,
  type Rows,
  type Scope,
  union,
} from './rows.ts';

/** Common table expressions in sight, by name. */
export type CommonTables = ReadonlyMap<string, Rows>;

/** A scope without anything in FROM. */
export function emptyScope(parent: Scope | undefined): Scope {
  return { entries: [], equalities: [], aliases: new Map(), merged: false, parent };
}

/** Which entries of FROM a join's side has, what equals what, and why other rows may be there. */
interface Gathered {
  readonly entries: Entry[];
  readonly equalities: Equality[];
  causes: ReadonlySet<Cause>;
  merged: boolean;
}

/** What FROM and WHERE bring into sight. */
export function scopeOf(
  select: Select,
  ctes: CommonTables,
  parent: Scope | undefined,
): { readonly scope: Scope; readonly causes: ReadonlySet<Cause> } {
  const gathered: Gathered = { entries: [], equalities: [], causes: nothing, merged: false };
  for (const source of select.from) gather(source, gathered, ctes, parent);
  const scope = scopeAt(gathered, parent);
  for (const condition of select.where)
    gathered.equalities.push(...equalitiesOf(condition, scope, undefined));
  return { scope, causes: gathered.causes };
}

function scopeAt(gathered: Gathered, parent: Scope | undefined): Scope {
  const { entries, equalities, merged } = gathered;
  return { entries, equalities, aliases: new Map(), merged, parent };
}

function gather(
  source: Source,
  into: Gathered,
  ctes: CommonTables,
  parent: Scope | undefined,
): void {
  const add = (alias: string, rows: Rows, sampled = false): void => {
    into.entries.push({ alias, rows });
    into.causes = union(into.causes, rows.causes);
    if (sampled) into.causes = union(into.causes, new Set(['sample']));
  };
  switch (source.type) {
    case 'relation': {
      add(source.alias, renamed(rowsOfRelation(source.relation), source.names), source.sampled);
      return;
    }
    case 'cte': {
      add(source.alias, renamed(ctes.get(source.name) ?? unknownRows, source.names));
      return;
    }
    case 'query': {
      add(
        source.alias,
        renamed(rowsOf(source.query, ctes, scopeAt(into, parent)), source.names),
        source.sampled,
      );
      return;
    }
    case 'function': {
      const at = contextAt(into, ctes, parent);
      const value = evaluateAll(source.calls, at);
      const named = source.names?.map((name): Column => ({ ...value, name, open: false }));
      const columns = named ?? [{ ...value, name: undefined, open: true }];
      add(source.alias, { columns, causes: value.causes, keys: [], single: false });
      return;
    }
    case 'join': {
      gatherJoin(source, into, ctes, parent);
      return;
    }
  }
}

function gatherJoin(
  source: Source & { type: 'join' },
  into: Gathered,
  ctes: CommonTables,
  parent: Scope | undefined,
): void {
  const start = into.entries.length;
  gather(source.left, into, ctes, parent);
  const middle = into.entries.length;
  gather(source.right, into, ctes, parent);
  const range = (from: number, to: number): Set<number> =>
    new Set(Array.from({ length: to - from }, (_, index) => from + index));
  const only = {
    inner: undefined,
    left: range(middle, into.entries.length),
    right: range(start, middle),
    full: new Set<number>(),
  }[source.kind];
  const scope = scopeAt(into, parent);
  const at = contextAt(into, ctes, parent);
  into.causes = union(into.causes, evaluateAll(source.on, at).causes);
  for (const condition of source.on) into.equalities.push(...equalitiesOf(condition, scope, only));
  if (source.using.length === 0) return;
  // Columns of both sides become one: how many a star then stands for is not worked out.
  into.merged = true;
  if (source.using === 'natural') return;
  for (const name of source.using) {
    const sides = [range(start, middle), range(middle, into.entries.length)].map((side) =>
      [...side].filter((index) =>
        into.entries[index]?.rows.columns.some((column) => column.name === name),
      ),
    );
    const [left, right] = sides.map(([index]) => `${String(index)}.${name}`);
    if (left !== undefined && right !== undefined)
      into.equalities.push({ left, right, only }, { left: right, right: left, only });
  }
}

/** The equalities that a condition states, in both directions. */
function equalitiesOf(condition: Expression, scope: Scope, only: Equality['only']): Equality[] {
  if (condition.type === 'and')
    return condition.children.flatMap((child) => equalitiesOf(child, scope, only));
  if (condition.type !== 'equals') return [];
  const ids = [condition.left, condition.right].map((side) => identify(side, scope));
  const fixed = [condition.left, condition.right].map((side) => side.type === 'constant');
  return [0, 1].flatMap((index) => {
    const [left, right] = [ids[index], ids[1 - index]];
    if (left === undefined || (right === undefined && fixed[1 - index] !== true)) return [];
    return [{ left, right, only }];
  });
}

function contextAt(
  gathered: Gathered,
  ctes: CommonTables,
  parent: Scope | undefined,
): QueryContext {
  return {
    scope: scopeAt(gathered, parent),
    windows: new Map(),
    group: undefined,
    query: (query, scope) => {
      const rows = rowsOf(query, ctes, scope);
      return {
        causes: rows.columns.reduce((set, column) => union(set, column.causes), rows.causes),
        float: rows.columns.some(({ float }) => float),
      };
    },
  };
}

const unknownRows: Rows = {
  columns: [{ name: undefined, open: true, causes: nothing, float: true }],
  causes: nothing,
  keys: [],
  single: false,
};

function rowsOfRelation(relation: Relation): Rows {
  const view =
    relation.view === undefined ? undefined : rowsOf(relation.view, new Map(), undefined);
  const columns = relation.columns?.map(({ name, float, whole }, index): Column => {
    const under = view?.columns[index];
    return {
      name,
      open: false,
      whole,
      float: float || under?.float === true,
      causes: under?.causes ?? nothing,
    };
  });
  return {
    columns: columns ?? view?.columns ?? unknownRows.columns,
    causes: union(view?.causes ?? nothing, new Set(relation.causes)),
    keys: view === undefined ? relation.keys : columns === undefined ? view.keys : [],
    single: view?.single ?? false,
  };
}
