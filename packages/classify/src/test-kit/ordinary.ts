/** Tables of an ordinary program. */
export const ordinaryTables: readonly string[] = [
  'create table users (id integer primary key, name varchar(50) not null, email varchar(80), age integer, city varchar(40), manager_id integer)',
  'create table items (id integer primary key, user_id integer, title varchar(80), price decimal(10,2), quantity integer, state varchar(10))',
];

/** Forty reads as programs have them, in words that all three engines share. */
export const ordinaryReads: readonly string[] = [
  'select * from users',
  'select id, name from users where id = 7',
  'select u.name, i.title from users u join items i on i.user_id = u.id order by i.id',
  'select u.name, count(*) from users u left join items i on i.user_id = u.id group by u.id, u.name order by u.id',
  "select * from users where name like 'a%' order by id limit 10",
  'select * from users where id in (1, 2, 3)',
  'select * from users where id not in (select user_id from items where user_id is not null)',
  'select count(*) from users',
  'select count(distinct city) from users',
  'select min(age), max(age) from users',
  'select sum(quantity) from items',
  'select city, count(*) as n from users group by city having count(*) > 3 order by n desc, city',
  'select distinct city from users order by city',
  "select coalesce(email, 'none') from users",
  'select case when age < 18 then 1 else 2 end as kind from users',
  'select cast(age as varchar(10)) from users',
  'select upper(name), lower(name), length(name) from users',
  "select name || ' ' || city from users",
  'select id from users union select user_id from items',
  'select id from users union all select id from items order by 1',
  'select id from users intersect select user_id from items',
  'select id from users except select user_id from items',
  'select * from users where exists (select 1 from items where user_id = users.id)',
  'with old as (select * from users where age > 60) select count(*) from old',
  'with recursive r(n) as (select 1 union all select n + 1 from r where n < 10) select n from r',
  'select e.name, m.name from users e join users m on e.manager_id = m.id',
  'select * from users where age between 20 and 30 and city is not null',
  'select id, row_number() over (order by id) from users',
  'select id, rank() over (partition by city order by age) from users',
  'select id, sum(quantity) over (partition by user_id) from items',
  'select * from (select id, name from users) x where x.id > 3',
  'select (select count(*) from items where user_id = users.id) from users',
  'values (1, 2), (3, 4)',
  'select 1',
  'select * from users order by age desc, id limit 20 offset 40',
  'select * from users where id = 1 limit 1',
  'select abs(-3), round(2.5)',
  'select nullif(city, name) from users',
  'select users.*, items.title from users, items where users.id = items.user_id',
  "select replace(name, 'a', 'b'), substr(name, 1, 3) from users",
];

/** The same read behind what may stand before and after a statement. */
export const dressedReads: readonly string[] = [
  '/* select */ select 1',
  '-- insert into t\nselect 1',
  '  \n\tselect 1 ;',
  "select ';' -- ; delete from users",
  "select 'delete from users; order by 1 limit 3'",
  '/* update users set id = 1; */ select 1',
];

/** Reads with windows inside of subqueries, each with the columns of its answer that are not determined; undefined: all of it. */
export const windowsInSubqueries: readonly (readonly [string, readonly number[] | undefined])[] = [
  [
    'select * from (select id, row_number() over (partition by city order by age) as rn from users) x',
    [1],
  ],
  [
    'select * from (select id, row_number() over (partition by city order by id) as rn from users) x where rn = 1',
    [],
  ],
  [
    'select id, rn from (select id, row_number() over (order by age) as rn from users) x where rn = 1',
    undefined,
  ],
  [
    'with r as (select id, name, row_number() over (order by age) as rn from users) select id, name, rn from r',
    [2],
  ],
  [
    "with r as (select id, name, row_number() over (order by age) as rn from users) select id, name from r where name > 'm'",
    [],
  ],
  [
    'with r (a, b) as (select id, row_number() over (order by age) from users) select b, a from r',
    [0],
  ],
  [
    'with r as (select id, row_number() over (order by age) as rn from users) select id from r where rn < 3',
    undefined,
  ],
  [
    'select u.id, x.rn from users u join (select id, row_number() over (order by age) as rn from users) x on x.id = u.id',
    [1],
  ],
  [
    'select u.id from users u join (select id, row_number() over (order by age) as rn from users) x on x.rn = u.id',
    undefined,
  ],
  [
    'select * from (select id, lag(age) over (order by city) as p, name from users) x order by id',
    [1],
  ],
  [
    'select max(rn) from (select city, row_number() over (order by age) as rn from users) x group by city',
    undefined,
  ],
];
