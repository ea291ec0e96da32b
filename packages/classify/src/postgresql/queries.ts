import type { HiddenUse } from '../classifier.ts';
import {
  eventTriggerVersion,
  firedBySchema,
  functionVersion,
  triggerVersion,
} from '../code-versions.ts';
import type {
  EventTriggerFact,
  FunctionFact,
  GeneralFacts,
  RelationFact,
  TypeFact,
  WriteFact,
} from './facts.ts';

/**
 * How the catalogue is asked: one statement with its parameters, on a connection whose `search_path` is that of the statements to be
 * classified. Each row is an object. `pg`'s `client.query(sql, params).then(({ rows }) => rows)` is one.
 */
export type PostgresQuery = (
  sql: string,
  params: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

// Oids below 16384 are given by initdb: what has one came with the server.
const firstOfUsers = '16384';

const functionsSql = `
select p.proname as name, n.nspname as schema, p.provolatile as volatility, l.lanname as language, p.prokind as kind,
  p.proretset as "returnsSet", t.typname as result, p.oid < ${firstOfUsers} as builtin,
  exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e') as "ofExtension",
  p.proconfig is not null as configured, ${functionVersion} as version,
  case when p.oid >= ${firstOfUsers} and l.lanname in ('sql', 'plpgsql') then pg_catalog.pg_get_functiondef(p.oid) end as definition,
  case when p.oid >= ${firstOfUsers} and a.aggfnoid is not null then array(
    select pn.nspname || '.' || ap.proname from pg_catalog.pg_proc ap join pg_catalog.pg_namespace pn on pn.oid = ap.pronamespace
    where ap.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)) end as parts
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
join pg_catalog.pg_type t on t.oid = p.prorettype
left join pg_catalog.pg_aggregate a on a.aggfnoid = p.oid
where p.proname = any($1::text[])`;

const relationsSql = `
select w.name as asked, c.relkind as kind, n.nspname as schema, c.oid < ${firstOfUsers} as builtin, c.relpersistence = 't' as temporary,
  (select json_agg(json_build_object('name', a.attname, 'type', coalesce(b.typname, t.typname)) order by a.attnum)
     from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid left join pg_catalog.pg_type b on b.oid = t.typbasetype
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
  (select json_agg(k.columns) from (
     select array(select a.attname::text from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) as u(n) join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = u.n) as columns
     from pg_catalog.pg_index i
     where i.indrelid = c.oid and not (c.relkind = 'r' and c.relhassubclass) and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
       and not exists (select from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1], (i.indcollation::oid[])[0:i.indnkeyatts - 1]) as u(n, c)
         join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = u.n where not a.attnotnull or a.attcollation <> u.c)) k) as keys,
  case when c.relkind = 'v' then pg_catalog.pg_get_viewdef(c.oid) end as view,
  case when c.relrowsecurity then array(select e from pg_catalog.pg_policy p, unnest(array[pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)]) as u(e) where p.polrelid = c.oid and e is not null) end as policies,
  exists (with recursive below(oid) as (select c.oid union select h.inhrelid from below join pg_catalog.pg_inherits h on h.inhparent = below.oid)
    select from below join pg_catalog.pg_class f on f.oid = below.oid where f.relkind = 'f') as "foreign"
from unnest($1::text[]) as w(name)
join pg_catalog.pg_class c on c.oid = to_regclass(w.name)
join pg_catalog.pg_namespace n on n.oid = c.relnamespace`;

const typesSql = `
with recursive parts(name, oid) as (
  select w.name, t.oid from unnest($1::text[]) as w(name) join pg_catalog.pg_type t on t.typname = w.name where t.oid >= ${firstOfUsers}
  union
  select p.name, x.oid from parts p join pg_catalog.pg_type t on t.oid = p.oid join lateral (
    select t.typbasetype where t.typtype = 'd' union all select t.typelem
    union all select a.atttypid from pg_catalog.pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0) as x(oid) on x.oid >= ${firstOfUsers})
select p.name, pg_catalog.pg_get_expr(k.conbin, 0) as sql, true as checks from parts p join pg_catalog.pg_constraint k on k.contypid = p.oid where k.contype = 'c'
union all
select w.name, pg_catalog.pg_get_expr(t.typdefaultbin, 0), false from unnest($1::text[]) as w(name) join pg_catalog.pg_type t on t.typname = w.name
  where t.oid >= ${firstOfUsers} and t.typdefaultbin is not null`;

const generalSql = `
select 'operator' as what, o.oprname::text as name, n.nspname as schema, p.proname as function, null as version
  from pg_catalog.pg_operator o join pg_catalog.pg_proc p on p.oid = o.oprcode join pg_catalog.pg_namespace n on n.oid = p.pronamespace where o.oid >= ${firstOfUsers}
union all
select case when k.castcontext <> 'e' or t.typname = 'json' then 'cast' else 'cast to' end, t.typname, n.nspname, p.proname, null
  from pg_catalog.pg_cast k join pg_catalog.pg_proc p on p.oid = k.castfunc join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_type t on t.oid = k.casttarget where k.oid >= ${firstOfUsers}
union all
select 'field', p.proname, n.nspname, p.proname, null
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_type t on t.oid = p.proargtypes[0]
  where p.oid >= ${firstOfUsers} and p.pronargs - p.pronargdefaults <= 1 and (t.typtype = 'c' or t.typname in ('record', 'any', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray'))
union all
select 'event trigger', e.evtname, n.nspname, p.proname, ${eventTriggerVersion}
  from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc p on p.oid = e.evtfoid join pg_catalog.pg_namespace n on n.oid = p.pronamespace where ${firedBySchema}`;

function grouped<T>(
  rows: readonly Readonly<Record<string, unknown>>[],
  key: string,
  value: (row: Readonly<Record<string, unknown>>) => T,
): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const name = String(row[key]);
    const group = groups.get(name) ?? [];
    group.push(value(row));
    groups.set(name, group);
  }
  return groups;
}

/** The functions of these names. */
export async function functionsQuery(
  query: PostgresQuery,
  names: readonly string[],
): Promise<Map<string, FunctionFact[]>> {
  const rows = await query(functionsSql, [names]);
  return grouped(rows, 'name', (row) => {
    const parts = (row['parts'] as string[] | null) ?? [];
    return {
      ...row,
      parts: parts.map((part) => {
        const dot = part.indexOf('.');
        return [part.slice(0, dot), part.slice(dot + 1)] as const;
      }),
    } as unknown as FunctionFact;
  });
}

/** What these names, quoted as in SQL, mean in the connection's search path. */
export async function relationsQuery(
  query: PostgresQuery,
  names: readonly string[],
): Promise<Map<string, RelationFact>> {
  const rows = await query(relationsSql, [names]);
  return new Map(
    rows.map((row) => [
      String(row['asked']),
      {
        ...row,
        columns: row['columns'] ?? [],
        keys: row['keys'] ?? [],
        policies: row['policies'] ?? [],
      } as unknown as RelationFact,
    ]),
  );
}

/** What making a value of these types runs. */
export async function typesQuery(
  query: PostgresQuery,
  names: readonly string[],
): Promise<Map<string, TypeFact>> {
  const rows = await query(typesSql, [names]);
  const of = (name: string, checks: boolean): string[] =>
    rows.flatMap((row) =>
      row['name'] === name && row['checks'] === checks ? [String(row['sql'])] : [],
    );
  return new Map(names.map((name) => [name, { checks: of(name, true), fills: of(name, false) }]));
}

const writesSql = `
with recursive reached(asked, oid, named) as (
  select w.name, to_regclass(w.name)::pg_catalog.oid, true from unnest($1::text[]) as w(name) where to_regclass(w.name) is not null
  union
  select r.asked, x.oid, false from reached r join lateral (
    select k.conrelid as oid from pg_catalog.pg_constraint k
      where k.contype = 'f' and k.confrelid = r.oid and (k.confdeltype in ('c', 'n', 'd') or k.confupdtype in ('c', 'n', 'd'))
    union all select h.inhrelid from pg_catalog.pg_inherits h where h.inhparent = r.oid
    union all select d.refobjid from pg_catalog.pg_rewrite v join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      and d.objid = v.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass where v.ev_class = r.oid) as x on x.oid <> r.oid
),
relation as (select distinct on (r.asked, c.oid) r.asked, c.oid, c.relname::text as name, r.named
  from reached r join pg_catalog.pg_class c on c.oid = r.oid where c.oid >= ${firstOfUsers} order by r.asked, c.oid, r.named desc),
typed(oid, type, base) as (
  select distinct t.oid, t.typname::text, t.typbasetype from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type t on t.oid = a.atttypid where t.oid >= ${firstOfUsers} and t.typtype in ('d', 'b', 'c', 'r'))
select r.asked, r.name as table, r.named, case when a.attgenerated = '' then 'default' else 'generated' end as kind, a.attname::text as name,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as sql, null as version
  from relation r join pg_catalog.pg_attrdef d on d.adrelid = r.oid join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
union all
select r.asked, r.name, r.named, 'default', a.attname, pg_catalog.format('pg_catalog.nextval(%L)', pg_catalog.pg_get_serial_sequence(r.oid::pg_catalog.regclass::text, a.attname)), null
  from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attidentity <> '' and not a.attisdropped
union all
select r.asked, r.name, r.named, 'type default', a.attname, coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault), null
  from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and not a.atthasdef
  join pg_catalog.pg_type t on t.oid = a.atttypid where t.oid >= ${firstOfUsers} and t.typtype = 'd' and t.typdefaultbin is not null
union all
select r.asked, r.name, r.named, 'type', a.attname, y.type, null
  from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 join typed y on y.oid = a.atttypid
union all
select r.asked, r.name, r.named, 'check', k.conname, pg_catalog.pg_get_expr(k.conbin, k.conrelid), null
  from relation r join pg_catalog.pg_constraint k on k.conrelid = r.oid and k.contype = 'c'
union all
select r.asked, r.name, r.named, 'index', i.indexrelid::pg_catalog.regclass::text, e.sql, null
  from relation r join pg_catalog.pg_index i on i.indrelid = r.oid,
  unnest(array[pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)]) as e(sql) where e.sql is not null
union all
select r.asked, r.name, r.named, 'partition key', r.name, pg_catalog.pg_get_expr(k.partexprs, k.partrelid), null
  from relation r join pg_catalog.pg_partitioned_table k on k.partrelid = r.oid where k.partexprs is not null
union all
select r.asked, r.name, r.named, 'trigger', t.tgname, pg_catalog.pg_get_triggerdef(t.oid), ${triggerVersion}
  from relation r join pg_catalog.pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
union all
select r.asked, r.name, r.named, 'rule', v.rulename, pg_catalog.pg_get_ruledef(v.oid), null from relation r join pg_catalog.pg_rewrite v on v.ev_class = r.oid and v.rulename <> '_RETURN'`;

/** What writing to these tables, quoted as in SQL, brings with it. */
export async function writesQuery(
  query: PostgresQuery,
  names: readonly string[],
): Promise<Map<string, WriteFact[]>> {
  return grouped(await query(writesSql, [names]), 'asked', (row) => row as unknown as WriteFact);
}

/** What a user made that is called without being named. */
export async function generalQuery(query: PostgresQuery): Promise<GeneralFacts> {
  const rows = await query(generalSql, []);
  const of = (what: string) => rows.filter((row) => row['what'] === what);
  const called = (row: Readonly<Record<string, unknown>>) =>
    [String(row['schema']), String(row['function'])] as const;
  return {
    operators: grouped(of('operator'), 'name', called),
    castsTo: grouped(of('cast to'), 'name', called),
    casts: of('cast').map(called),
    fields: grouped(of('field'), 'name', called),
    eventTriggers: of('event trigger') as unknown as readonly EventTriggerFact[],
  };
}

// A word of these in the text of a function, or a call in an expression that the server wrote out, may touch the session. A function's
// text may spell a name with escapes.
const touching =
  'set_config|advisory|setseed|lo_open|lo_lseek|replication_origin|currval|lastval|pg_temp';
const commands =
  'set|reset|execute|discard|prepare|deallocate|listen|unlisten|temp|temporary|load|declare|cursor|dblink';

const extensionsOwn = (oid: string, table: string): string =>
  `exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.${table}'::pg_catalog.regclass and d.objid = ${oid} and d.deptype = 'e')`;
const callsUsers = (oid: string, table: string): string =>
  `exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.${table}'::pg_catalog.regclass and d.objid = ${oid}
    and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)`;

const hiddenSql = `
with code as (
  select exists (select from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
    where p.oid >= ${firstOfUsers} and not ${extensionsOwn('p.oid', 'pg_proc')}
      and (l.lanname not in ('sql', 'plpgsql') or p.prosrc ~* $1 or pg_catalog.pg_get_function_sqlbody(p.oid) ~* $2)) as found)
select exists (
    select from pg_catalog.pg_rewrite v join pg_catalog.pg_class c on c.oid = v.ev_class
      where v.oid >= ${firstOfUsers} and c.relnamespace = any(array(select pg_catalog.to_regnamespace(pg_catalog.quote_ident(s)) from unnest(pg_catalog.current_schemas(false)) as s))
        and ((code.found and ${callsUsers('v.oid', 'pg_rewrite')}) or pg_catalog.pg_get_ruledef(v.oid) ~* $2)
    union all select from pg_catalog.pg_policy p
      where (code.found and ${callsUsers('p.oid', 'pg_policy')})
        or pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) ~* $2
    union all select from pg_catalog.pg_operator o where code.found and o.oid >= ${firstOfUsers} and not ${extensionsOwn('o.oid', 'pg_operator')}
    union all select from pg_catalog.pg_cast k where code.found and k.oid >= ${firstOfUsers} and not ${extensionsOwn('k.oid', 'pg_cast')}
    union all select from pg_catalog.pg_constraint k where k.oid >= ${firstOfUsers} and k.contypid <> 0
      and ((code.found and ${callsUsers('k.oid', 'pg_constraint')}) or pg_catalog.pg_get_expr(k.conbin, 0) ~* $2)
  ) as reads,
  code.found or exists (
    select from pg_catalog.pg_attrdef d where pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~* $2
    union all select from pg_catalog.pg_constraint k where k.oid >= ${firstOfUsers} and k.contype = 'c' and pg_catalog.pg_get_expr(k.conbin, k.conrelid) ~* $2
    union all select from pg_catalog.pg_type t where t.oid >= ${firstOfUsers} and t.typdefault ~* $2
  ) as writes
from code`;

/** Which statements may touch the session by a user's code that they don't name: where there is none, none does. */
export async function hiddenQuery(query: PostgresQuery): Promise<HiddenUse> {
  const inSource = `${touching}|\\m(?:${commands})\\M|[\\\\]|&"`;
  const [row] = await query(hiddenSql, [inSource, touching]);
  if (row?.['reads'] === true) return 'by all';
  return row?.['writes'] === true ? 'by writes' : 'none';
}
