import { expect, test } from '@jest/globals';
import { scanSync, loadModule } from 'libpg-query';
import { labelled } from './postgresql/test-kit/labelled-statements.ts';
import { tpchQueries } from './test-kit/tpch.ts';
import { shapeOf, tokensOf } from './tokens.ts';

test("the tokens of PostgreSQL are those of the server's own scanner", async () => {
  await loadModule();
  const more = [
    "select E'a\\'b', $q$ ' $q$, 1.5e3, .5, a::text, b->>'x', c<-1 /* /* */ */, \"a\"\"b\" -- x",
  ];
  for (const sql of [...labelled.map(([text]) => text), ...tpchQueries, ...more]) {
    const scanned = scanSync(sql).tokens.filter(({ tokenName }) => !tokenName.endsWith('COMMENT'));
    // An operator of several characters may be several signs: what they join to is the same.
    const joined = (texts: readonly string[]) =>
      texts.join(' ').replaceAll(/ (?=[^\w\s"'$])|(?<=[^\w\s"'$]) /g, '');
    expect(joined(tokensOf(sql, 'postgresql').map(({ text }) => text))).toBe(
      joined(scanned.map(({ text }) => text)),
    );
  }
});

test('names and literals of SQLite are each one token', () => {
  const sql =
    "select [order by], `limit`, \"a\"\"b\", 'it''s', x'27', ?1, :p -- end\nfrom t /* open";
  expect(
    tokensOf(sql, 'sqlite')
      .map(({ type }) => type)
      .filter((type) => type !== 'sign'),
  ).toEqual([
    'word',
    'name',
    'name',
    'name',
    'literal',
    'literal',
    'parameter',
    'parameter',
    'word',
    'word',
  ]);
});

test('a list is one entry in a shape, however long, and rows of VALUES as well', () => {
  const shape = (sql: string) => shapeOf(tokensOf(sql, 'sqlite'));
  expect(shape('select 1 where a in (?, 2, 3)')).toBe(shape('select 7 where a in (?)'));
  expect(shape('insert into t values (1, 2), (3, 4), (5, 6)')).toBe(
    shape('insert into t values (1, 2)'),
  );
});
