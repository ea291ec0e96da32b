import {
  type ClassifierOptions,
  type HiddenUse,
  parseOptions,
  type StatementClassifier,
} from '../classifier.ts';
import { type Judge, LearningClassifier } from '../learning-classifier.ts';
import { analyse } from '../query/analyse.ts';
import type { Query } from '../query/query.ts';
import { type Findings, lazyLimit, unknownStatement } from '../findings.ts';
import { withPlaces } from '../order-places.ts';
import type { Statement } from '../statement.ts';
import { shapeOf, tokensOf, withoutLimit } from '../tokens.ts';
import { Catalogue } from './catalogue.ts';
import { loadParser, type Node, type PostgresParser, statementsOf, unwrap } from './parser.ts';
import { hiddenQuery, type PostgresQuery } from './queries.ts';
import { TemporaryObjects } from '../temporary-objects.ts';
import { explainRuns, translateStatement } from './translate-statement.ts';
import { Walk } from './walk.ts';

/** What a classifier for PostgreSQL takes. */
export interface PostgresClassifierOptions extends ClassifierOptions {
  /**
   * Asks the catalogue, in the background, one statement at a time. Its connection must have the `search_path` of the statements that
   * are classified, and may be any that reads `pg_catalog`.
   */
  readonly query: PostgresQuery;
}

/**
 * A classifier by PostgreSQL's own parser (`libpg-query`, loaded with the first statement) and the server's catalogue: functions,
 * views, row-level security, domains and triggers are looked into, a user's functions in SQL as well; all others act. Functions that
 * are named in no list of the package act if the server calls them volatile.
 *
 * @throws RangeError for an option that is out of bounds.
 */
export function createPostgresClassifier(options: PostgresClassifierOptions): StatementClassifier {
  const { query, ...rest } = options;
  const parsed = parseOptions(rest);
  const judge = new PostgresJudge(query, new Set(parsed.pure));
  const classifier = new LearningClassifier(judge, parsed);
  judge.temporary.onNew = () => classifier.forgetStatements();
  return classifier;
}

class PostgresJudge implements Judge {
  readonly temporary = new TemporaryObjects<Node>();
  readonly #query: PostgresQuery;
  readonly #pure: ReadonlySet<string>;
  #parser: PostgresParser | undefined;
  #catalogue: Catalogue;

  constructor(query: PostgresQuery, pure: ReadonlySet<string>) {
    this.#query = query;
    this.#pure = pure;
    this.#catalogue = new Catalogue(query);
  }

  judge(sql: string): Statement | undefined {
    const parser = this.#parser;
    if (parser === undefined || this.#catalogue.general === undefined) return undefined;
    // A third of the time of a first sight, and not needed to decide: made when it is asked for.
    const shape = (): string => shapeOf(tokensOf(sql, 'postgresql'));
    let statements: Node[];
    try {
      statements = statementsOf(parser, sql);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      return unknownStatement(error instanceof Error ? error.message : String(error), shape);
    }
    const walk = new Walk({
      parser,
      catalogue: this.#catalogue,
      pure: this.#pure,
      temporary: this.temporary,
      translate: translateStatement,
    });
    if (statements.length !== 1) several(walk, statements.length);
    for (const [schema, name] of this.#catalogue.general.casts) walk.behind(name, schema);
    const queries = statements.map((statement) => translateStatement(walk, statement));
    if (walk.missing) return undefined;
    const [statement = {}] = statements;
    const query = statements.length === 1 ? queries[0] : undefined;
    return walk.findings.statement({ shape, ...promises(sql, statement, query, parser) });
  }

  async fetch(): Promise<void> {
    this.#parser ??= await loadParser();
    await this.#catalogue.fetch();
  }

  hides(): Promise<HiddenUse> {
    return hiddenQuery(this.#query);
  }

  forget(): void {
    this.#catalogue = new Catalogue(this.#query);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function several(walk: Walk, count: number): void {
  if (count === 0) walk.findings.act('not understood', 'it holds no statement');
  else walk.findings.act('several statements', String(count));
}

function promises(
  sql: string,
  statement: Node,
  query: Query | undefined,
  parser: PostgresParser,
): Omit<Parameters<Findings['statement']>[0], 'shape'> {
  const { type, fields } = unwrap(statement);
  if (type === 'ExplainStmt' && explainRuns(fields))
    return { undetermined: [{ what: 'plan', where: 'rows' }] };
  if (query === undefined) return {};
  const { order, tiesDetermined, sortedBy, limited, undetermined } = analyse(query);
  const places = tiesDetermined ? () => withPlaces(sql, 'postgresql') : undefined;
  if (limited === undefined) return { order, sortedBy, places, undetermined };
  return {
    order,
    sortedBy,
    places,
    undetermined,
    limited: lazyLimit(limited, () => unlimited(sql, parser)),
  };
}

/** `CASE … END` is NULL, which is no limit, and takes the parameters that the statement is sent with. */
function everyRow(parameters: readonly string[]): string {
  const tests = parameters.map((parameter) => `${parameter}::bigint IS NULL`).join(' OR ');
  return `LIMIT CASE WHEN ${tests} THEN NULL::bigint END`;
}

/** The text without LIMIT, if the parser finds the same tree in it but for that. */
function unlimited(sql: string, parser: PostgresParser): string | undefined {
  const [statement = {}] = statementsOf(parser, sql);
  const wanted = treeWithoutLimit(unwrap(statement).fields);
  const tokens = tokensOf(sql, 'postgresql');
  return withoutLimit(sql, tokens, ['limit', 'offset', 'fetch'], everyRow).find((candidate) => {
    try {
      const [only, ...others] = parser.parseSync(candidate).stmts ?? [];
      const { type, fields } = unwrap(only?.stmt ?? {});
      return others.length === 0 && type === 'SelectStmt' && treeWithoutLimit(fields) === wanted;
    } catch {
      return false;
    }
  });
}

function treeWithoutLimit(select: Node): string {
  const { limitCount: _count, limitOffset: _offset, limitOption: _option, ...rest } = select;
  return JSON.stringify(rest, (name, value: unknown) => (name === 'location' ? undefined : value));
}
