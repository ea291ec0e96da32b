import { node, type Node, nodes, type PostgresParser, statementsOf, text } from './parser.ts';

/** What stands in a body in PL/pgSQL: its statements and expressions, as statements. */
export interface ProceduralBody {
  readonly statements: readonly Node[];
  /** It runs what it makes as it goes (`EXECUTE`), so that nobody can tell what. */
  readonly dynamic: boolean;
  /** It ends transactions. */
  readonly controls: boolean;
}

/** How PL/pgSQL's parser says what an expression's text is. */
const statementMode = 0;
const expressionMode = 2;

const dynamicNodes: ReadonlySet<string> = new Set([
  'PLpgSQL_stmt_dynexecute',
  'PLpgSQL_stmt_dynfors',
]);
const controlNodes: ReadonlySet<string> = new Set(['PLpgSQL_stmt_commit', 'PLpgSQL_stmt_rollback']);

/**
 * Looks into a body by PL/pgSQL's own parser, which is part of libpg-query.
 *
 * @param definition the whole `CREATE FUNCTION` or `CREATE PROCEDURE`.
 * @throws what the parser throws, or an Error for an expression that can't be read.
 */
export function proceduralBody(parser: PostgresParser, definition: string): ProceduralBody {
  const found = { statements: [] as Node[], dynamic: false, controls: false };
  const noteRow = (row: Node): void => {
    if (row['lineno'] !== undefined && hidesDefault(row, definition))
      throw new Error(`a default of ${text(row['refname']) ?? ''} that can't be read`);
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach(visit);
      return;
    }
    const fields = node(value);
    if (fields === undefined) return;
    for (const [name, inner] of Object.entries(fields)) {
      if (dynamicNodes.has(name) || name === 'dynquery') found.dynamic = true;
      if (controlNodes.has(name)) found.controls = true;
      if (name === 'PLpgSQL_rec') noteRow(node(inner) ?? {});
      if (name === 'datatype' && fields['lineno'] !== undefined)
        found.statements.push(...checksOf(parser, fields));
      if (name === 'PLpgSQL_expr')
        found.statements.push(...statementsIn(parser, node(inner) ?? {}));
      else visit(inner);
    }
  };
  visit(parser.parsePlPgSQLSync(definition));
  return found;
}

function typeOf(variable: Node): string {
  return text(node(node(variable['datatype'])?.['PLpgSQL_type'])?.['typname']) ?? '';
}

/** What declaring a variable runs beside its default: the checks of its type. */
function checksOf(parser: PostgresParser, variable: Node): readonly Node[] {
  const type = typeOf(variable);
  return type === '' || type.includes('%') ? [] : statementsOf(parser, `SELECT NULL::${type}`);
}

/**
 * Whether a variable may have a default which the parser does not tell: it knows no types, and takes one of a user's for that of a row.
 *
 * @param variable one that is told as a row.
 */
function hidesDefault(variable: Node, definition: string): boolean {
  const name = text(variable['refname']) ?? '';
  const [type = ''] = /^\w*/.exec(typeOf(variable)) ?? [];
  if (!/^\w+$/.test(name)) return true;
  const declaration = `\\b${name}"?\\s+(?:constant\\s+)?"?${type}[^;:=]*(?::=|=|\\bdefault\\b)`;
  return new RegExp(declaration, 'i').test(definition);
}

/** A DO block as the function that it is: `parsePlPgSQLSync` takes nothing else. */
export function definitionOfBlock(body: string): string {
  let tag = '$body$';
  for (let at = 0; body.includes(tag); at += 1) tag = `$body${String(at)}$`;
  return `CREATE PROCEDURE block() LANGUAGE plpgsql AS ${tag}${body}${tag}`;
}

/** The body and the language of a DO. */
export function blockOf(fields: Node): { readonly body: string; readonly language: string } {
  let body = '';
  let language = 'plpgsql';
  for (const each of nodes(fields['args'])) {
    const option = node(each['DefElem']) ?? {};
    const value = text(node(node(option['arg'])?.['String'])?.['sval']) ?? '';
    if (option['defname'] === 'as') body = value;
    if (option['defname'] === 'language') language = value.toLowerCase();
  }
  return { body, language };
}

function statementsIn(parser: PostgresParser, expression: Node): Node[] {
  const sql = text(expression['query']) ?? '';
  const mode = Number(expression['parseMode'] ?? statementMode);
  if (mode === statementMode) return statementsOf(parser, sql);
  if (mode === expressionMode) return statementsOf(parser, `SELECT ${sql}`);
  const assigned = /^([^:=]*):?=/.exec(sql);
  const target = assigned?.[1];
  // A place in an array may be told by a call.
  if (assigned === null || target === undefined || target.includes('('))
    throw new Error(`an expression that can't be read: ${sql.slice(0, 100)}`);
  return statementsOf(parser, `SELECT ${sql.slice(assigned[0].length)}`);
}
