import { describe, expect, test } from '@jest/globals';
import { allRowsOf, countsChosen } from './choices.ts';

describe('all rows among which a statement chooses', () => {
  test.each([
    ['select a from (select a from t limit 5) s', 'select a from (select a from t ) s', true],
    [
      'select * from (select a from t order by b limit 5 offset 2) as s order by a;',
      'select * from (select a from t order by b ) as s order by a',
      true,
    ],
    [
      'select s.a from (select a from t limit 5) s where s.a > 1',
      'select s.a from (select a from t ) s where s.a > 1',
      false,
    ],
    [
      'select s.a from u join (select a from t limit 5) s on u.a = s.a',
      'select s.a from u join (select a from t ) s on u.a = s.a',
      false,
    ],
    [
      'select a from u, lateral (select b from t where t.a = u.a limit 1) l',
      'select a from u, lateral (select b from t where t.a = u.a ) l',
      false,
    ],
    [
      'select a from t where b = 1 and t.a in (select a from u limit 3) order by a',
      'select a from t where b = 1 and t.a in (select a from u ) order by a',
      false,
    ],
    [
      'select distinct on (a, (b)) a, c from t where c > 1',
      'select  a, c from t where c > 1',
      true,
    ],
    ['select a from t using sample 5', 'select a from t ', true],
    ['select a from t using sample 5 rows', 'select a from t ', true],
    ['select a from t using sample 5 percent (system)', 'select a from t ', false],
    [
      'select a from t tablesample system (5) repeatable (3) where a > 1',
      'select a from t  where a > 1',
      false,
    ],
  ])('of %s are those of %s', (sql, all, counted) => {
    expect(allRowsOf(sql, 'postgresql')).toEqual({ sql: all, counted });
  });

  test.each([
    ['select a from t'],
    ['select a from t limit 5'],
    ['select max(a) from (select a from t limit 5) s'],
    ['select distinct a from (select a from t limit 5) s'],
    ['select a from (select a from t limit 5) s group by a'],
    ['select a, row_number() over () from (select a from t limit 5) s'],
    ['select a from u left join (select a from t limit 5) s on true'],
    ['select a from t where a not in (select a from u limit 3)'],
    ['select a from t where not a in (select a from u limit 3)'],
    ['select a from t where (a in (select a from u limit 3)) = false'],
    ['select a from t where a in (select a from u limit 3) = false'],
    ['select a from t where a in (select a from u limit 3) is false'],
    ['select a from t where b + a in (select a from u limit 3)'],
    ['select a from t where case when a in (select a from u limit 3) then false else true end'],
    ['select a from t where b between 1 and a in (select a from u limit 3)'],
    ['select a from t where a = (select a from u limit 1)'],
    ['select a from t where exists (select a from u limit 1)'],
    ['select a, (select b from u limit 1) from t'],
    ['select a from (select a from t limit $1) s'],
    ['select a from (select a from (select a from t limit 9) s limit 5) s'],
    ['select a from (select a from (select a from t limit 9) s) s'],
    ['with s as (select a from t limit 5) select a from s'],
    ['select a from (select a from t limit 5) s union select a from u'],
    ['select distinct on (a) a, b from t limit 5'],
    ['select count(*) from t tablesample system (5)'],
    ['update t set a = 1'],
  ])('are not told of %s', (sql) => {
    expect(allRowsOf(sql, 'postgresql')).toBeUndefined();
  });
});

test.each([
  ['select count(*) from (select a from t limit 5) s', true],
  ['select count(*) as c from (select a from t order by b limit 5 offset 1) as s', true],
  ['select count(a) from (select a from t limit 5) s', false],
  ['select count(*) + max(a) from (select a from t limit 5) s', false],
  ['select count(*) from (select a from t limit 5) s where a > 1', false],
  ['select count(*) from u where a in (select a from t limit 5)', false],
  ['select count(*) from (select a from t limit 5) s join u on true', false],
  ['select count(*) from t limit 5', false],
])('%s asks only how many were chosen: %s', (sql, counts) => {
  expect(countsChosen(sql, 'postgresql')).toBe(counts);
});
