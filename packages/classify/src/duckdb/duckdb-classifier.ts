import {
  type ClassifierOptions,
  type HiddenUse,
  parseOptions,
  type StatementClassifier,
} from '../classifier.ts';
import { Findings } from '../findings.ts';
import { explainedBy } from '../glance.ts';
import { withPlaces } from '../order-places.ts';
import { type Judge, LearningClassifier } from '../learning-classifier.ts';
import { analyse } from '../query/analyse.ts';
import type { Act, Limited, Statement } from '../statement.ts';
import { TemporaryObjects } from '../temporary-objects.ts';
import type { Token } from '../scan.ts';
import { shapeOf, tokensOf, withoutLimit } from '../tokens.ts';
import { type Catalogue, type DuckdbConnection, own, readCatalogue } from './catalogue.ts';
import { noteCommand, temporaryMade, unquoted } from './command.ts';
import { pivotAsSelect, telling, viewQuery } from './not-selects.ts';
import { setsSession } from './reviewed.ts';
import { translate } from './translate.ts';
import { type Node, type Parsed, Walk } from './walk.ts';
import { noteWriteEffects } from './write-effects.ts';

/** What a classifier for DuckDB takes. */
export interface DuckdbClassifierOptions extends ClassifierOptions {
  /** Opens a connection to the instance for the classifier alone, on which it parses and reads the catalogue. It is closed with it. */
  readonly connect: () => Promise<DuckdbConnection>;
}

/**
 * A classifier by DuckDB's own parser (`json_serialize_sql`), which answers asynchronously: a text that is seen for the first time is
 * `pending`. What can't be serialised acts, but for EXPLAIN, PRAGMAs that only tell, and PIVOT.
 *
 * @throws RangeError for an option that is out of bounds.
 */
export function createDuckdbClassifier(options: DuckdbClassifierOptions): StatementClassifier {
  const { connect, ...rest } = options;
  const parsed = parseOptions(rest);
  const judge = new DuckdbJudge(connect, new Set(parsed.pure));
  const classifier = new LearningClassifier(judge, parsed);
  judge.temporary.onNew = () => classifier.forgetStatements();
  return classifier;
}

const maxParsed = 2_000;

class DuckdbJudge implements Judge {
  readonly temporary = new TemporaryObjects<string>();
  readonly #connect: DuckdbClassifierOptions['connect'];
  readonly #pure: ReadonlySet<string>;
  readonly #missing = new Set<string>();
  #parsed = new Map<string, Parsed>();
  #connection: DuckdbConnection | undefined;
  #catalogue: Catalogue | undefined;
  #generation = 0;

  constructor(connect: DuckdbClassifierOptions['connect'], pure: ReadonlySet<string>) {
    this.#connect = connect;
    this.#pure = pure;
  }

  judge(sql: string): Statement | undefined {
    const catalogue = this.#catalogue;
    const parsed = this.#parse(sql);
    if (parsed === undefined || catalogue === undefined) return undefined;
    const walk = new Walk({
      catalogue,
      pure: this.#pure,
      temporary: this.temporary,
      parsed: (text) => this.#parse(viewQuery(text)),
      translate,
    });
    const tokens = tokensOf(sql, 'postgresql');
    const shape = shapeOf(tokens);
    if ('statements' in parsed)
      return this.#judgeSelect(walk, { sql, tokens, shape, statements: parsed.statements });
    if (parsed.error === 'parser') {
      walk.findings.act('not understood', parsed.message);
      return walk.findings.statement({ shape });
    }
    return this.#judgeOther(walk, sql, tokens, shape);
  }

  async fetch(): Promise<void> {
    this.#connection ??= await this.#connect();
    const generation = this.#generation;
    if (this.#catalogue === undefined) {
      const catalogue = await readCatalogue(this.#connection);
      if (generation === this.#generation) this.#catalogue = catalogue;
    }
    const texts = [...this.#missing];
    this.#missing.clear();
    if (this.#parsed.size + texts.length > maxParsed) this.#parsed = new Map();
    for (const sql of texts) this.#parsed.set(sql, await serialise(this.#connection, sql));
  }

  async hides(): Promise<HiddenUse> {
    this.#connection ??= await this.#connect();
    return (await hidesSetting(this.#connection)) ? 'by all' : 'none';
  }

  forget(): void {
    this.#generation += 1;
    this.#catalogue = undefined;
  }

  close(): Promise<void> {
    this.#connection?.closeSync?.();
    this.#connection = undefined;
    return Promise.resolve();
  }

  #parse(sql: string): Parsed | undefined {
    const known = this.#parsed.get(sql);
    if (known === undefined) this.#missing.add(sql);
    return known;
  }

  #judgeSelect(
    walk: Walk,
    at: { sql: string; tokens: readonly Token[]; shape: string; statements: readonly Node[] },
  ): Statement | undefined {
    const { statements, shape } = at;
    if (statements.length === 0) walk.findings.act('not understood', 'it holds no statement');
    if (statements.length > 1) walk.findings.act('several statements', String(statements.length));
    const queries = statements.map((statement) => translate(walk, statement));
    const [query] = queries;
    if (walk.missing) return undefined;
    if (query === undefined || queries.length > 1) return walk.findings.statement({ shape });
    const { order, tiesDetermined, sortedBy, limited, undetermined } = analyse(query);
    const places = tiesDetermined ? () => withPlaces(at.sql, 'postgresql') : undefined;
    const told = { shape, order, sortedBy, places, undetermined };
    if (limited === undefined) return walk.findings.statement(told);
    const sqlWithoutLimit = this.#unlimited(at.sql, at.tokens, statements[0] ?? {});
    if (sqlWithoutLimit === 'missing') return undefined;
    const found: Limited = Object.freeze({ rows: limited, sqlWithoutLimit });
    return walk.findings.statement({ ...told, limited: found });
  }

  #unlimited(sql: string, tokens: readonly Token[], statement: Node): string | undefined {
    const wanted = treeWithoutLimit(statement);
    for (const candidate of withoutLimit(sql, tokens, ['limit', 'offset'], everyRow)) {
      const parsed = this.#parse(candidate);
      if (parsed === undefined) return 'missing';
      if ('error' in parsed || parsed.statements.length !== 1) continue;
      if (treeWithoutLimit(parsed.statements[0] ?? {}) === wanted) return candidate;
    }
    return undefined;
  }

  #judgeOther(
    walk: Walk,
    sql: string,
    tokens: readonly Token[],
    shape: string,
  ): Statement | undefined {
    const explained = explainedBy(tokens);
    if (explained !== undefined) {
      const inner = this.judge(sql.slice(explained.start));
      if (inner === undefined) return undefined;
      // Binding alone makes the folder of EXPORT DATABASE; a function in FROM is bound by its own code.
      const planned = (act: Act): boolean =>
        /^(writes rows|returns rows of a write)$/.test(act.kind) ||
        (act.kind === 'calls a function that acts' && !act.detail.includes('table function'));
      if (!explained.runs && inner.acts.every(planned)) return new Findings().statement({ shape });
      for (const { kind, detail } of inner.acts) walk.findings.act(kind, detail);
      walk.findings.uses(inner.session);
      return walk.findings.statement({ shape, undetermined: [{ what: 'plan', where: 'rows' }] });
    }
    if (telling(tokens)) return walk.findings.statement({ shape });
    const pivot = pivotAsSelect(sql, tokens);
    if (pivot !== undefined) {
      walk.inside('PIVOT', pivot);
      return walk.missing ? undefined : walk.findings.statement({ shape });
    }
    noteCommand(tokens, walk.findings);
    noteWriteEffects(walk, tokens);
    if (walk.missing) return undefined;
    const made = temporaryMade(tokens);
    if (made !== undefined) this.temporary.add(made.name, made.view ? viewQuery(sql) : undefined);
    const named = tokens.some(
      ({ type, text }) =>
        (type === 'word' || type === 'name') && this.temporary.get(unquoted(text)).length > 0,
    );
    if (named) walk.findings.uses('temporary');
    return walk.findings.statement({ shape });
  }
}

const hiddenSql = `
select ${own}.count(*) from (
  select macro_definition as text from duckdb_functions() where not internal
  union all select sql from duckdb_views() where not internal) as code
where ${own}.regexp_matches(text, '${[...setsSession].join('|')}')`;

/** Whether a macro or a view calls what sets the session. */
async function hidesSetting(connection: DuckdbConnection): Promise<boolean> {
  const answer = await connection.runAndReadAll(hiddenSql);
  return Number(answer.getRows()[0]?.[0]) > 0;
}

async function serialise(connection: DuckdbConnection, sql: string): Promise<Parsed> {
  const answer = await connection.runAndReadAll(`select ${own}.json_serialize_sql($1::varchar)`, [
    sql,
  ]);
  const found = JSON.parse(String(answer.getRows()[0]?.[0])) as {
    readonly error: boolean;
    readonly error_type?: string;
    readonly error_message?: string;
    readonly statements?: readonly Node[];
  };
  if (!found.error) return { statements: found.statements ?? [] };
  const error = found.error_type === 'not implemented' ? 'not a select' : 'parser';
  return { error, message: found.error_message ?? 'it does not parse' };
}

/** NULL is no limit, and the CASE takes the parameters that the statement is sent with. */
function everyRow(parameters: readonly string[]): string {
  const tests = parameters.map((parameter) => `${parameter} IS NULL`).join(' OR ');
  return `LIMIT (CASE WHEN ${tests} THEN NULL ELSE NULL END)`;
}

function treeWithoutLimit(statement: Node): string {
  let top = true;
  return JSON.stringify(statement['node'], (key, value: unknown) => {
    if (key === 'query_location') return undefined;
    if (key !== 'modifiers' || !top) return value;
    top = false;
    return (value as readonly Node[]).filter(({ type }) => !/^LIMIT/.test(String(type)));
  });
}
