import { describe, expect, test } from '@jest/globals';
import { withPlaces } from './order-places.ts';

const place = (by: string): string => `, dense_rank() OVER (ORDER BY ${by}\n) AS changeover_place`;

describe('a statement with the place of each row in its order', () => {
  test.each([
    ['select a from t order by f', `select a${place('(f)')} from t order by f`],
    [
      'select *, b from t where a is distinct from 1 order by f desc nulls last, lower(b) limit 5;',
      `select *, b${place('(f) desc nulls last, (lower(b))')} from t where a is distinct from 1 order by f desc nulls last, lower(b) limit 5;`,
    ],
    [
      'select a is distinct from b as d from t order by f',
      `select a is distinct from b as d${place('(f)')} from t order by f`,
    ],
    [
      'with x as (select 1 order by 1) select a from x order by f -- so',
      `with x as (select 1 order by 1) select a${place('(f)')} from x order by f -- so`,
    ],
    [
      'select k, count(*) n from t group by k order by 2 desc, "n", f',
      `select k, count(*) n${place('(count(*)) desc, (count(*)), (f)')} from t group by k order by 2 desc, "n", f`,
    ],
    [
      'select distinct a from t order by -a',
      `select distinct a${place('(-a)')} from t order by -a`,
    ],
    ['select b as f from t order by t.f', `select b as f${place('(t.f)')} from t order by t.f`],
    [
      'select case when a then 1 end from t order by case when f then 1 end',
      `select case when a then 1 end${place('(case when f then 1 end)')} from t order by case when f then 1 end`,
    ],
    ...(
      [
        [
          '',
          'select a, b as "X" from t union all select 1, 2',
          '2 desc, a collate c',
          '"X" desc, a collate c',
          'limit 5',
        ],
        [
          'with u as (select 1 union select 2) ',
          'select t.a from u as t except select b from u',
          '1',
          'a',
          '',
        ],
        ['', '(select a from t) intersect (select b from t)', 'a', 'a', 'offset 3'],
      ] as const
    ).map(([head, body, by, of, tail]): [string, string] => [
      `${head}${body} order by ${by} ${tail}`,
      `${head}SELECT changeover_rows.*, dense_rank() OVER (ORDER BY ${of}\n) AS changeover_place FROM (${body} \n) AS changeover_rows ORDER BY changeover_place ${tail}`,
    ]),
  ])('%s', (sql, placed) => {
    expect(withPlaces(sql, 'postgresql')).toBe(placed);
  });

  test.each([
    'select a from t',
    'select a from (select a from t order by f) s',
    'select * from t union select b from u order by 1',
    'select a from t union select b from u order by -a',
    'select a from t union select b from u order by all',
    'select a from t union select b from u',
    'from t select a order by f',
    'select distinct on (a) a, b from t order by a, f',
    'select *, a from t order by 2',
    'select a from t order by f = ?',
    'select a from t order by all',
    // Whether the column is meant or the item is the engine's own rule.
    'select b + 1 as f from t order by -f',
    'select *, b as f from t order by f',
    'select a as f, b as f from t order by f',
    'select date(a) from t order by date',
    "select a as 'f', b as 'F' from t order by f",
    "select a from t order by 'f'",
    '',
  ])('there is none of %s', (sql) => {
    expect(withPlaces(sql, 'postgresql')).toBeUndefined();
  });
});
