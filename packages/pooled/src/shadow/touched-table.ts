import type { Engine } from '@changeover/engines/api';

/** A name in SQL: quoted, where quotes double inside, or plain. */
const name = String.raw`(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`;
const comment = String.raw`(?:\s|--[^\n]*\n|/\*[\s\S]*?\*/)`;
const target = new RegExp(
  `^${comment}*(?:insert${comment}+(?:or${comment}+\\w+${comment}+)?into|replace${comment}+into|update|delete${comment}+from` +
    `|truncate(?:${comment}+table)?)${comment}+(?:only${comment}+)?(?:(${name})${comment}*\\.${comment}*)?(${name})`,
  'iu',
);

/** The table that a statement writes to, as far as its beginning tells; undefined where it doesn't (a common table
 * expression first, a statement that defines something, a table of a schema that is named). */
export function touchedTable(sql: string, engine: Engine): string | undefined {
  const match = target.exec(sql);
  if (match === null || match[1] !== undefined) return undefined;
  const found = match[2] ?? '';
  if (found.startsWith('"')) return found.slice(1, -1).replaceAll('""', '"');
  return engine === 'postgresql' ? found.toLowerCase() : found;
}
