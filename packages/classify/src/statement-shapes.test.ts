import { describe, expect, test } from '@jest/globals';
import { StatementShapes } from './statement-shapes.ts';

const secret = 'hunter';

describe('the shape of a statement', () => {
  test.each([
    ['select * from t where id = 1', 'SELECT  *\nfrom t where id=29'],
    ["select 'it''s' || 'me'", "select 'x' || 'yy'"],
    ['insert into t values (1, 2), (3, 4)', 'insert into t values (5, 6), (7, 8), (9, 10)'],
    ['select a from t where a in (1, 2)', 'select a from t where a in (1, 2, 3)'],
    ['select 1.5e-3', 'select 0x1F'],
    ['select $1', 'select $2'],
    ["select e'a\\'b', 1", "select e'c', 2"],
    ['select 1 -- it is 1', 'select 2'],
  ])('is one for %s and %s', (one, other) => {
    const shapes = new StatementShapes();
    expect(shapes.of(one)).toBe(shapes.of(other));
    expect(new StatementShapes().of(other)).toBe(shapes.of(one));
  });

  test.each([
    ['select a from t1', 'select a from t2'],
    ['select "a 1" from t', 'select "a 2" from t'],
    ["select e'\\'', a from t where b = ''", "select e'\\'', c from t where b = ''"],
    ["select 1 -- it's\n, a from t where b = ''", "select 1 -- it's\n, c from t where b = ''"],
    ['select a /* 1 */ from t', 'select b /* 1 */ from t'],
    ['select a.b1 from a', 'select a.b2 from a'],
  ])('is another for %s and %s', (one, other) => {
    const shapes = new StatementShapes();
    expect(shapes.of(one)).not.toBe(shapes.of(other));
  });

  test.each([
    `select '${secret}'`,
    `select '${secret}`,
    `select '${secret} ${secret}`,
    `select $tag$${secret} $tag$`,
    `select $tag$${secret} ${secret}`,
    `select $$${secret} ${secret}`,
    `select e'\\'${secret}', x'00', N'${secret}'`,
    `select e'\\' ${secret}`,
    `select 1 /* ${secret} */ -- ${secret}`,
    `select 1 /* ${secret}`,
    `select '${'x'.repeat(1_980)} ${secret} ${secret}', ' ${secret} ${secret}'`,
    `insert into t values ${`('${secret} ${secret}', 1), `.repeat(1_000)}('${secret}', 2)`,
  ])('never holds a value (%#)', (sql) => {
    const shapes = new StatementShapes();
    for (let time = 0; time < 2; time += 1) {
      expect(shapes.of(sql)).toMatch(/^(?:select|insert into)/);
      expect(shapes.of(sql)).not.toContain(secret);
    }
  });

  test('of a long text is that of its beginning, whatever the number of its rows', () => {
    const shapes = new StatementShapes();
    const rows = (count: number): string =>
      `insert into t (a, b) values ${Array.from({ length: count }, (_, at) => `(${String(at)}, 'n')`).join(', ')}`;
    expect(shapes.of(rows(5_000))).toBe(shapes.of(rows(50_000)));
    expect(shapes.of(`select ${'column_name, '.repeat(150)} 1`).length).toBeLessThan(1_000);
    expect(shapes.of(`select ${'column_name, '.repeat(150)} a`)).not.toBe(
      shapes.of(`select ${'column_name, '.repeat(150)} b`),
    );
  });

  test('of what is no text is empty', () => {
    const shapes = new StatementShapes();
    for (const sql of [undefined, null, 1, {}, Symbol('x')]) expect(shapes.of(sql)).toBe('');
  });

  test('is remembered of a bounded number of statements, and the same when it was forgotten', () => {
    const shapes = new StatementShapes();
    const first = shapes.of('select first');
    for (let at = 0; at < 5_000; at += 1) shapes.of(`select column_${String(at)}`);
    expect(shapes.of('select first')).toBe(first);
  });
});
