import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import type { Engine } from '@changeover/engines';
import { engineTitles, engines } from '@changeover/engines';

/** A row of a table in `docs/canonical-values.md`. */
export interface DocumentedValue {
  readonly engine: Engine;
  readonly type: string;
  readonly sql: string;
  readonly value: unknown;
  readonly canonical: string;
}

/** The tables of the three engines' types. */
export async function readDocumentedValues(): Promise<readonly DocumentedValue[]> {
  const page = await readFile(new URL('../../docs/canonical-values.md', import.meta.url), 'utf8');
  return engines.flatMap((engine) => {
    const section = page.split(`\n## ${engineTitles[engine]}\n`)[1]?.split('\n## ')[0] ?? '';
    return section
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2)
      .map((line) => parseRow(engine, line));
  });
}

function parseRow(engine: Engine, line: string): DocumentedValue {
  const plain = (cell: string): string =>
    cell
      .trim()
      .replace(/^`(.*)`$/, '$1')
      .replaceAll('\\|', '|');
  const cells = line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map(plain);
  const [type, sql, value, canonical] = cells;
  if (
    type === undefined ||
    sql === undefined ||
    value === undefined ||
    canonical === undefined ||
    cells.length !== 4
  ) {
    throw new Error(`four cells were expected: ${line}`);
  }
  const bytes = (hexadecimal: string): Buffer => Buffer.from(hexadecimal, 'hex');
  return {
    engine,
    type,
    sql,
    value: runInNewContext(`(${value})`, { bytes }) as unknown,
    canonical,
  };
}
