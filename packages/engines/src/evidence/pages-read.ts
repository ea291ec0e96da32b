import { type Program, type StepResult, withEachStep } from '../program.ts';
import { leadingWords } from '../sql-text.ts';

/** Pages of SQLite's file in which all stands that a read's answer is made of. */
export interface PagesRead {
  readonly pages: readonly number[];
  /** Differs once anybody has changed the schema. */
  readonly schema: number;
}

/** More are not listed: each has to be read for it. */
const maxPages = 20_000;

/**
 * SQLite: runs a read, and tells in which pages the tables and indexes are that its statements go through. Whoever changes a row writes
 * one of the pages of its table, and the one above where that page is given up: so that a page which the table still has was written.
 *
 * @returns undefined where it goes through something that is no table in the file, or one that is too large.
 */
export function* pagesRead(read: Program<unknown>): Program<PagesRead | undefined> {
  const roots = new Set<number>();
  const unknown: string[] = [];
  yield* withEachStep(read, function* (step): Program<StepResult> {
    const result = yield step;
    if (!('sql' in step)) return result;
    // To explain a PRAGMA runs it.
    if (!explainable.has(leadingWords(step.sql, 1, 'sqlite')[0] ?? '')) {
      unknown.push(step.sql);
      return result;
    }
    const sql = `EXPLAIN ${step.sql}`;
    const { rows } = yield { kind: 'all', sql, params: step.params };
    for (const row of rows) {
      const root = rootOf(row);
      if (typeof root === 'number') roots.add(root);
      // What a statement of the project's own asks for besides tables is the schema.
      else if (root === 'another' || (root === 'schema' && step.kind === 'query'))
        unknown.push(sql);
    }
    return result;
  });
  return unknown.length === 0 ? yield* pagesOf([...roots]) : undefined;
}

const explainable: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES']);

type Instruction = Readonly<Record<string, unknown>>;

/** Where what an instruction opens begins, by page; what else it opens, that may be the schema; undefined: it opens nothing. */
function rootOf({ opcode, p2, p3, p5 }: Instruction): number | 'schema' | 'another' | undefined {
  if (opcode === 'VOpen') return 'schema';
  if (opcode === 'OpenWrite' || opcode === 'Program') return 'another';
  if (opcode !== 'OpenRead' && opcode !== 'ReopenIdx') return undefined;
  // A register's number is no page's; another database than the first is temporary or attached.
  if (typeof p2 !== 'number' || p3 !== 0 || (Number(p5) & 0x10) !== 0) return 'another';
  return p2 === 1 ? 'schema' : p2;
}

function* pagesOf(roots: readonly number[]): Program<PagesRead | undefined> {
  const { rows } = yield {
    kind: 'all',
    sql:
      'SELECT dbstat.pageno AS page, (SELECT schema_version FROM pragma_schema_version) AS schema, sqlite_schema.rootpage AS root ' +
      `FROM sqlite_schema JOIN dbstat ON dbstat.name = sqlite_schema.name WHERE rootpage IN (${roots.join(', ')}) ` +
      `UNION ALL SELECT 0, (SELECT schema_version FROM pragma_schema_version), 0 LIMIT ${String(maxPages + 2)}`,
  };
  if (rows.length > maxPages + 1) return undefined;
  const found = new Set(rows.map(({ root }) => Number(root)));
  if (!roots.every((root) => found.has(root))) return undefined;
  return {
    pages: rows.map(({ page }) => Number(page)).filter((page) => page > 0),
    schema: Number(rows[0]?.['schema']),
  };
}
