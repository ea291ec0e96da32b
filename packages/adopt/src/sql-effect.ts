import { glancePostgres, glanceSqlite } from '@changeover/classify/glance';

/** What a statement in a source text does, as far as its text tells without a database. */
export type SqlEffect = 'reads' | 'acts' | 'unknown';

const begins =
  /^[\s(]*(?:select|insert|update|delete|with|create|drop|alter|pragma|begin|start\s+transaction|commit|rollback|savepoint|release|replace\s+into|merge|truncate|explain|vacuum|attach|detach|copy|call|show|values|grant|revoke|lock|refresh|reindex|analyze|set|listen|notify|do)\b/i;
const reading = new Set(['select', 'values', 'table', 'show', 'with', 'explain']);
/** Functions whose call acts. */
const acting =
  /\b(?:nextval|setval|set_config|pg_advisory\w*|pg_try_advisory\w*|pg_notify|pg_cancel_backend|pg_terminate_backend|lo_\w+|dblink\w*)\s*\(/i;

/** Whether a text in a program is a statement. `set` and the like alone are words of other texts too. */
export function isSql(text: string): boolean {
  return begins.test(withoutComments(text)) && /\s|^begin|^commit|^rollback/i.test(text.trim());
}

/** What a statement does. What the text alone can't tell (a variable in the place of its first word, EXPLAIN ANALYZE) is unknown. */
export function effectOf(sql: string): SqlEffect {
  const { lead, explains, pragma } = glanceSqlite(sql);
  if (pragma !== undefined) return pragma.does === 'tells' ? 'reads' : 'acts';
  const postgres = glancePostgres(sql);
  const first = postgres.lead === '' ? lead : postgres.lead;
  if (explains) return /\banalyze\b/i.test(sql) ? 'unknown' : 'reads';
  if (!reading.has(first)) return first === '' ? 'unknown' : 'acts';
  const bare = withoutLiterals(sql);
  if (postgres.givesAndActs && !/^\s*with\b/i.test(bare)) return 'acts';
  if (/\b(?:insert\s+into|update\s+[\w".]+\s+set|delete\s+from|merge\s+into)\b/i.test(bare))
    return 'acts';
  if (/\bfor\s+(?:no\s+key\s+)?(?:update|share|key\s+share)\b/i.test(bare)) return 'acts';
  if (first === 'select' && /\binto\s+[\w"]/i.test(bare)) return 'acts';
  // A second statement behind a semicolon may be anything.
  if (/;\s*\S/.test(bare)) return 'unknown';
  return acting.test(bare) ? 'acts' : 'reads';
}

function withoutComments(sql: string): string {
  return sql.replaceAll(/\/\*[\s\S]*?\*\//g, ' ').replaceAll(/--[^\n]*/g, ' ');
}

function withoutLiterals(sql: string): string {
  return withoutComments(sql).replaceAll(/'(?:[^']|'')*'/g, "''");
}
