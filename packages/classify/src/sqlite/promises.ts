import { lazyLimit } from '../findings.ts';
import type { Cause, Limited, OrderPromise, Undetermined } from '../statement.ts';
import type { Token } from '../scan.ts';
import { isWord, tokensOf, withoutLimit } from '../tokens.ts';
import { withPlaces } from '../order-places.ts';
import * as reviewed from './reviewed.ts';
import type { Compiled, SchemaCopy } from './schema-copy.ts';
import { onlyOrder } from './only-order.ts';
import {
  causesIn,
  columnIndex,
  columnOf,
  covers,
  nameOf,
  readSelect,
  type SelectText,
  split,
} from './select-text.ts';
import { columnsOfItem, type Subquery, subqueriesOf } from './through-subqueries.ts';

/** A query that reads, as SQLite compiled it. */
export interface CompiledQuery {
  readonly sql: string;
  readonly body: readonly Token[];
  readonly compiled: Compiled;
  readonly copy: SchemaCopy;
}

/** What a query's answer determines. Where tokens don't tell, it says less rather than more. */
export function promisesOf(query: CompiledQuery): {
  readonly order: OrderPromise;
  readonly sortedBy: readonly (number | string)[];
  readonly places: (() => string | undefined) | undefined;
  readonly limited: Limited | undefined;
  readonly undetermined: readonly Undetermined[];
} {
  const select = readSelect(query.body);
  const keys = select === undefined ? [] : keysOf(select, query.copy);
  const rowids = select === undefined ? [] : rowidsOf(select, query.copy);
  const order = orderOf(query.body, select, { keys, rowids });
  return {
    order,
    sortedBy: order === 'none' ? [] : sortedBy(query.body, mainSelect(query.body)),
    places:
      order === 'ties' && isDetermined(query) ? () => withPlaces(query.sql, 'sqlite') : undefined,
    limited: limitedOf(query, order, select, keys),
    undetermined: undeterminedOf(query, select, keys),
  };
}

/** Nothing in a query, nor in the views that it reads, may differ from run to run, the order of its rows included. */
function isDetermined({ body, compiled, copy }: CompiledQuery): boolean {
  const isSteady = (tokens: readonly Token[]): boolean =>
    causesIn(tokens, [], () => false).length === 0 &&
    !tokens.some((token) => token.depth > 0 && isWord(token, 'limit'));
  const texts = [...compiled.through].map((name) =>
    tokensOf(copy.definition(name) ?? '', 'sqlite'),
  );
  return (
    compiled.columns !== undefined &&
    isSteady(body) &&
    texts.every((tokens) => isSteady(tokens) && !tokens.some((token) => isWord(token, 'limit')))
  );
}

/** The SELECT of the statement's own level, which may stand behind WITH. */
function mainSelect(body: readonly Token[]): SelectText | undefined {
  const begin = body.findIndex((token) => token.depth === 0 && isWord(token, 'select'));
  return begin === -1 ? undefined : readSelect(body.slice(begin));
}

/** The keys of the one table in FROM; none if there are more, or a subquery. */
function keysOf(select: SelectText, copy: SchemaCopy): readonly (readonly string[])[] {
  const name = onlyTable(select.from);
  if (name !== undefined) return copy.keys(name);
  return reviewed.pragmaKeys.get(onlyFunction(select.from) ?? '') ?? [];
}

function rowidsOf({ from }: SelectText, copy: SchemaCopy): readonly string[] {
  const name = onlyTable(from);
  return name === undefined ? [] : copy.rowids(name);
}

/** The name of the one table in FROM. */
function onlyTable([table, ...alias]: readonly Token[]): string | undefined {
  return isAlias(alias) ? nameOf(table) : undefined;
}

/** The name of the one table-valued function in FROM. */
function onlyFunction(from: readonly Token[]): string | undefined {
  const [name, open] = from;
  if (open?.text !== '(') return undefined;
  const end = from.findIndex(({ depth, text }) => depth === open.depth && text === ')');
  return isAlias(from.slice(end + 1)) ? nameOf(name) : undefined;
}

/** It shows a PRAGMA's rows, perhaps not all of them: those come as the PRAGMA counts them, which nothing here changes. */
function showsPragma(body: readonly Token[], select: SelectText): boolean {
  return (
    select.plain &&
    reviewed.pragmaKeys.has(onlyFunction(select.from) ?? '') &&
    !body.some((token) => isWord(token, 'over'))
  );
}

/** What tells the rows of the one table in FROM apart. */
interface TableKeys {
  readonly keys: readonly (readonly string[])[];
  /** The names of its rowid. */
  readonly rowids: readonly string[];
}

function orderOf(
  body: readonly Token[],
  select: SelectText | undefined,
  { keys, rowids }: TableKeys,
): OrderPromise {
  const at = body.findLastIndex(
    (token, index) => token.depth === 0 && isWord(token, 'order') && isWord(body[index + 1], 'by'),
  );
  if (at === -1) return select !== undefined && showsPragma(body, select) ? 'total' : 'none';
  if (select === undefined || select.order.length === 0) return 'ties';
  const groups = groupsOf(select);
  if (!select.plain && groups === undefined) return 'ties';
  const said = select.order.map((term) => expressionOf(term, select));
  if (said.some((term) => term.some((token) => /^random(blob)?$/.test(nameOf(token) ?? ''))))
    return 'none';
  if (groups !== undefined) return coversGroups(said, groups) ? 'total' : 'ties';
  const told = said.map((term) => {
    const rowid = shiftedRowid(term);
    const name = rowid === undefined ? undefined : columnOf(rowid);
    const isSure = name !== undefined && aliased(name, select) === undefined;
    return isSure && rowids.includes(name) ? (rowid ?? term) : term;
  });
  return covers(told, keys) ? 'total' : 'ties';
}

/**
 * The column that a term is but for its sign, for nothing that is added or taken away, or for becoming a text: of whole numbers no two give
 * the same. With any other number the sum may be too large, and then it is rounded.
 */
function shiftedRowid(term: readonly Token[]): readonly Token[] | undefined {
  const texts = term.map(({ text }) => text);
  const [first] = texts;
  if (first === '-' || first === '+') return term.slice(1);
  const before = ['0 -', '0 +', '1 *'].find((each) => each === texts.slice(0, 2).join(' '));
  if (before !== undefined) return term.slice(2);
  const behind = ['+ 0', '- 0', '* 1', "|| ''"].find((each) => each === texts.slice(-2).join(' '));
  if (behind !== undefined) return term.slice(0, -2);
  return texts.slice(-3).join(' ') === '* - 1' ? term.slice(0, -3) : undefined;
}

/** What GROUP BY tells rows apart by; undefined: rows are not its groups, or it is not sure what a name stands for. */
function groupsOf(select: SelectText): readonly (readonly Token[])[] | undefined {
  if (select.group.length === 0 || select.distinct || select.compound) return undefined;
  // In GROUP BY a name is a column's before it is an item's, in ORDER BY after.
  const isSure = ([first, ...more]: readonly Token[]): boolean => {
    const name = nameOf(first);
    if (more.length > 0 || name === undefined) return true;
    const expression = aliased(name, select);
    return expression === undefined || columnOf(expression) === name;
  };
  return select.group.every(isSure)
    ? select.group.map((term) => expressionOf(term, select))
    : undefined;
}

/** Each group is told by one of the terms, word by word. */
function coversGroups(
  terms: readonly (readonly Token[])[],
  groups: readonly (readonly Token[])[],
): boolean {
  return groups.every((group) =>
    terms.some(
      (term) => term.length === group.length && group.every((token, at) => isSame(token, term[at])),
    ),
  );
}

/** What a term of ORDER BY or GROUP BY says, without its direction, and for an item's number or name that item. */
function expressionOf(term: readonly Token[], select: SelectText): readonly Token[] {
  const said = withoutDirection(term);
  const [first] = said;
  const name = said.length === 1 ? nameOf(first) : undefined;
  const meant = name === undefined ? itemOf(said, select) : (aliased(name, select) ?? said);
  return isWord(meant.at(-2), 'as') ? meant.slice(0, -2) : meant;
}

/** What the item with a name of its own gives, if there is one. */
function aliased(name: string, select: SelectText): readonly Token[] | undefined {
  const item = select.items.find(
    (tokens) => tokens.length > 1 && tokens.at(-2)?.text !== '.' && nameOf(tokens.at(-1)) === name,
  );
  return item?.slice(0, isWord(item.at(-2), 'as') ? -2 : -1);
}

/** The answer's columns that ORDER BY names, up to the first term that is something else: an expression, a collation. */
function sortedBy(body: readonly Token[], select: SelectText | undefined): (number | string)[] {
  const at = body.findLastIndex((token) => token.depth === 0 && isWord(token, 'order'));
  const limit = body.findIndex(
    (token, index) => index > at && token.depth === 0 && isWord(token, 'limit'),
  );
  const terms = split(body.slice(at + 2, limit === -1 ? body.length : limit));
  const places = terms.map((term): number | string | undefined => {
    const [first, dot] = term;
    if (dot?.text === '.')
      return select === undefined ? undefined : (itemLike(term, select) ?? shownBy(term, select));
    if (withoutDirection(term).length > 1) return select && itemLike(term, select);
    if (first?.type === 'literal' && /^\d+$/.test(first.text)) return Number(first.text) - 1;
    return nameOf(first);
  });
  const told = places.indexOf(undefined);
  return (told === -1 ? places : places.slice(0, told)).filter((place) => place !== undefined);
}

/** The place of the item that is what a term says, word by word, whatever name the item has. */
function itemLike(term: readonly Token[], select: SelectText): number | undefined {
  const said = withoutDirection(term);
  const item = select.items.findIndex(
    (tokens) =>
      said.every((token, at) => isSame(token, tokens[at])) && isAlias(tokens.slice(said.length)),
  );
  const place = item === -1 ? undefined : columnIndex(select, item);
  return place === undefined || place < 0 ? undefined : place;
}

function isSame(token: Token, other: Token | undefined): boolean {
  const name = nameOf(token);
  return name === undefined ? token.text === other?.text : name === nameOf(other);
}

/** What may stand behind an item's expression: nothing, or its name. */
function isAlias([as, ...rest]: readonly Token[]): boolean {
  if (as === undefined) return true;
  return isWord(as, 'as') ? rest.length === 1 : rest.length === 0 && nameOf(as) !== undefined;
}

/** The name under which the one star of a select shows `t.a`; undefined: nobody can be sure that it does. */
function shownBy(term: readonly Token[], select: SelectText): string | undefined {
  const name = columnOf(term);
  const isStar = (item: readonly Token[]): boolean => item.at(-1)?.text === '*' && item.length <= 3;
  const stars = select.items.filter(isStar);
  const [star = []] = stars;
  const isOfTerm = star.length === 3 && nameOf(star[0]) === nameOf(term[0]);
  const [table, as, ...more] = select.from;
  const isOne = more.length === 0 ? !isWord(as, 'join') : more.length === 1 && isWord(as, 'as');
  const isAll = star.length === 1 && nameOf(table) !== undefined && isOne;
  if (name === undefined || stars.length !== 1 || !(isOfTerm || isAll)) return undefined;
  const clashes = select.items.some(
    (item) =>
      item !== star && item.some((token) => nameOf(token) === name) && nameOf(item.at(-1)) === name,
  );
  return clashes ? undefined : name;
}

/** A term of ORDER BY without what it says of the direction. A column may be called `first`. */
function withoutDirection(term: readonly Token[]): readonly Token[] {
  const last = term.findLastIndex(({ text }) => !/^(asc|desc|nulls|first|last)$/i.test(text));
  return term.slice(0, Math.max(last, 0) + 1);
}

/** A term that is the number of an item stands for the item. */
function itemOf(term: readonly Token[], select: SelectText): readonly Token[] {
  const [first, ...more] = withoutDirection(term);
  if (more.length > 0 || first?.type !== 'literal' || !/^\d+$/.test(first.text)) return term;
  return select.items[Number(first.text) - 1] ?? term;
}

function limitedOf(
  query: CompiledQuery,
  order: OrderPromise,
  select: SelectText | undefined,
  keys: readonly (readonly string[])[],
): Limited | undefined {
  if (!query.body.some((token) => token.depth === 0 && isWord(token, 'limit'))) return undefined;
  const single = select !== undefined && select.plain && isFixed(select.where, keys);
  const rows = order === 'total' || single ? 'determined' : order === 'ties' ? 'ties' : 'any';
  // LIMIT takes a number below 0 for no limit; OFFSET goes with it.
  const everyRow = (parameters: readonly string[]): string =>
    `LIMIT CASE WHEN ${parameters.map((parameter) => `${parameter} IS NULL`).join(' OR ')} THEN -1 ELSE -1 END`;
  const { sql, copy, compiled } = query;
  const wanted = JSON.stringify([compiled.reads, compiled.columns]);
  const same = (candidate: string): boolean => {
    try {
      const { reads, columns } = copy.compile(candidate);
      return JSON.stringify([reads, columns]) === wanted;
    } catch {
      // The copy may have been closed since.
      return false;
    }
  };
  return lazyLimit(rows, () =>
    withoutLimit(sql, tokensOf(sql, 'sqlite'), ['limit'], everyRow).find(same),
  );
}

/** WHERE says `key = value` and more, if anything, by AND. */
function isFixed(where: readonly Token[], keys: readonly (readonly string[])[]): boolean {
  if (where.some((token) => token.depth === 0 && isWord(token, 'or'))) return false;
  const equal = where.flatMap((token, index) => {
    const next = where[index + 1];
    const after = where[index + 2];
    const fixed = token.text === '=' || token.text === '==' ? next : undefined;
    if (
      fixed === undefined ||
      token.depth !== 0 ||
      (fixed.type !== 'literal' && fixed.type !== 'parameter') ||
      (after !== undefined && !isWord(after, 'and'))
    )
      return [];
    const column = where[index - 1];
    return column === undefined ? [] : [[column]];
  });
  return covers(equal, keys);
}

function undeterminedOf(
  query: CompiledQuery,
  select: SelectText | undefined,
  keys: readonly (readonly string[])[],
): Undetermined[] {
  const { body, compiled, copy } = query;
  const tables = [...new Set(compiled.reads.map(({ table }) => table))];
  const types = new Map(
    tables.flatMap((table) => copy.columns(table).map(({ name, type }) => [name, type] as const)),
  );
  const isInteger = (column: string): boolean =>
    /int/i.test(types.get(column) ?? '') || column === 'rowid';
  const found: Undetermined[] = [];
  const simple = select !== undefined && !select.compound;
  const byItem = new Map<Cause, number[]>();
  const ordering = onlyOrder(body);
  const subqueries = subqueriesOf(body);
  const inside = new Set(subqueries.flatMap(({ tokens }) => tokens));
  const note = (cause: Cause, columns: readonly number[] | undefined): void => {
    if (columns === undefined) found.push({ what: cause, where: 'rows' });
    else if (columns.length > 0) byItem.set(cause, [...(byItem.get(cause) ?? []), ...columns]);
  };
  for (const { cause, item, token } of causesIn(body, keys, isInteger)) {
    if (inside.has(token)) continue;
    // Rows that come in any order are the same rows.
    if (cause === 'random' && ordering.has(token)) continue;
    const column = simple && item !== undefined ? columnIndex(select, item) : undefined;
    note(cause, column === undefined ? undefined : [column]);
  }
  for (const subquery of subqueries) {
    const inner = readSelect(subquery.tokens);
    const innerKeys = inner === undefined ? [] : keysOf(inner, copy);
    for (const { cause, item, token } of causesIn(subquery.tokens, innerKeys, isInteger))
      if (cause !== 'random' || !ordering.has(token))
        note(cause, item === undefined ? undefined : columnsOfItem(body, subquery, item));
  }
  for (const columns of hiddenChoices(body, subqueries, select)) note('choice of rows', columns);
  for (const [what, columns] of byItem)
    found.push({ what, where: 'columns', columns: [...new Set(columns)] });
  found.push(...behindViews(query, select, isInteger));
  // Without an authorizer SQLite doesn't say through which views it came.
  if (compiled.columns === undefined) found.push(...unseen(body, compiled.functions));
  for (const table of tables)
    if (/^pragma_/.test(table) && findsConnection(table))
      found.push({ what: 'connection fact', where: 'rows' });
  return found;
}

function findsConnection(table: string): boolean {
  return !/^pragma_(table_|index_|foreign_key_|collation|compile|function_|module_|pragma_)/.test(
    table,
  );
}

/**
 * LIMIT inside subqueries: whether its order leaves ties is not worked out. The columns into which each one's choice goes; undefined: it may
 * decide which rows there are.
 */
function hiddenChoices(
  body: readonly Token[],
  subqueries: readonly Subquery[],
  select: SelectText | undefined,
): (readonly number[] | undefined)[] {
  const limits = body.filter((token) => token.depth > 0 && isWord(token, 'limit'));
  return limits.flatMap((limit) => {
    const around = subqueries.find(({ tokens }) => tokens.includes(limit));
    if (around === undefined) return [undefined];
    // Whether there are any doesn't depend on which they are.
    if (limit.depth === 1 && isWord(body[around.open - 1], 'exists')) return [];
    const open = body[around.open];
    const among =
      select?.plain === true
        ? select.items.findIndex((item) => open !== undefined && item.includes(open))
        : -1;
    const column = select === undefined || among === -1 ? undefined : columnIndex(select, among);
    return [column === undefined ? undefined : [column]];
  });
}

/** What views bring with them: to the columns that are no table's, or to all rows where the query does more than show them. */
function behindViews(
  { compiled, copy, body }: CompiledQuery,
  select: SelectText | undefined,
  isInteger: (column: string) => boolean,
): Undetermined[] {
  return [...compiled.through].flatMap((view): Undetermined[] => {
    const definition = copy.definition(view);
    if (definition === undefined || !/^\s*create\s+(temp\w*\s+)?view/i.test(definition)) return [];
    const tokens = tokensOf(definition, 'sqlite');
    const inner = tokens.slice(tokens.findIndex((token) => isWord(token, 'as')) + 1);
    const hidden = inner.some((token) => isWord(token, 'limit'))
      ? [{ cause: 'choice of rows' as const, item: undefined }]
      : [];
    const shows =
      select?.plain === true &&
      select.where.length === 0 &&
      !select.limited &&
      !body.some((token) => isWord(token, 'on') || isWord(token, 'using'));
    const expressions = compiled.columns?.flatMap((column, index) =>
      column === null ? [index] : [],
    );
    return [...causesIn(inner, [], isInteger), ...hidden].map(({ cause, item }): Undetermined =>
      item === undefined || !shows || expressions === undefined
        ? { what: cause, where: 'rows' }
        : { what: cause, where: 'columns', columns: expressions },
    );
  });
}

function unseen(body: readonly Token[], functions: ReadonlySet<string>): Undetermined[] {
  const seen = new Set(body.map(nameOf));
  return [...functions].flatMap((name): Undetermined[] => {
    const what = seen.has(name) ? undefined : possibleCause(name);
    return what === undefined ? [] : [{ what, where: 'rows' }];
  });
}

function possibleCause(name: string): Cause | undefined {
  if (reviewed.randomSource.has(name)) return 'random';
  if (reviewed.clockWords.has(name) || reviewed.clockArgument.has(name)) return 'time';
  if (reviewed.roundingAggregates.has(name)) return 'rounding';
  const ordered = reviewed.orderAggregates.has(name) || reviewed.positionWindows.has(name);
  return ordered ? 'order of rows' : undefined;
}
