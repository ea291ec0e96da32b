import { countNames } from '../recorder/counts.ts';
import { keptHours } from '../recorder/stored-hours.ts';
import { addedUp, epochOf, foldedWriter, hoursWriter } from './fleet-read.ts';

/** Hours of a row that is added up for good: a month's, so that what is read of a key doesn't grow with days. */
export const hoursAPeriod = 720;
/** Rows that are added up in one go: a fifth of a second where the server is busy. */
const maxFoldedRows = 250;

const nowHour = 'floor(extract(epoch from statement_timestamp()) / 3600)::int';
const countAt = (name: (typeof countNames)[number]): string =>
  `coalesce((counts->>${String(countNames.indexOf(name))})::bigint, 0)`;
/** What is added up, and its own row in each hour. */
const sums = ['calls', 'failed', 'compared', 'mismatch'] as const;

/** What was counted by key and hour of hours that are over, since version 7: for the axis of time alone. */
export function hourTable(schema: string): string {
  return `
create table if not exists ${schema}.hour (
  dataset text not null, backend text not null, hour int not null,
  calls bigint not null, failed bigint not null, compared bigint not null, mismatch bigint not null,
  legacy text not null, pooled text not null, primary key (dataset, backend, hour)
);`;
}

/** Rows of processes that live to which nobody adds any more. */
const finalRows = `
  select c.writer, c.part from cell c join writer o on o.writer = c.writer
  where not c.folded and left(c.writer, 1) <> '(' and not o.folded and c.hour < o.open_from
    and c.hour < (select max(open_from) from writer where not folded)
  order by c.hour, c.dataset, c.backend limit ${String(maxFoldedRows)}`;
/** Rows of an hour that is no longer told apart by operation. */
const passedRows = `
  select writer, part from cell where writer = '${hoursWriter}' and hour < ${nowHour} - 1 limit ${String(maxFoldedRows)}`;

/** The rows of what is added up and where. */
const place = 'target, backend, dataset, operation, stage, epoch, period';
const period = `case target when '${hoursWriter}' then hour else hour / ${String(hoursAPeriod)} end as period`;

/** By which one at a time adds rows up. */
export function foldLock(schema: string): string {
  return `pg_try_advisory_xact_lock(hashtext('changeover fold ${schema}'))`;
}

/**
 * `fold_cells_1`, since version 7: adds up some of the rows to which nobody adds any more, over processes: those of this hour and the one
 * before into a row an hour, since gates ask for these apart, and older ones into one a month, so that what a reader gets
 * grows with keys and not with hours. One statement adds them up and takes them away: a row is there, or in a sum. Gives how many there
 * were; null where somebody else is at it. The lock comes in a statement before, so that what is seen is what the last one left.
 */
export function foldFunction(schema: string): string {
  return `
create or replace function ${schema}.fold_cells_1() returns bigint language plpgsql
  set search_path = ${schema}, pg_catalog set jit = off set enable_seqscan = off set lock_timeout = '2s' as $$
declare
  rows bigint;
begin
  if not ${foldLock(schema)} then return null; end if;
  with picked as materialized ((${finalRows}) union all (${passedRows})),
  moved as materialized (
    select *, ${period} from (
      select c.*, ${epochOf(schema)}, case when hour < ${nowHour} - 1 then '${foldedWriter}' else '${hoursWriter}' end as target
      from picked join cell c using (writer, part)) c),
  found as (
    select *, ${period} from (
      select c.*, ${epochOf(schema)}, writer as target
      from (select distinct dataset, backend from moved) k join cell c using (dataset, backend)
      where writer in ('${foldedWriter}', '${hoursWriter}') and not folded) c),
  cells as materialized (
    select *, dense_rank() over (order by ${place}) as g from (
      select * from moved union all select * from found where (${place}) in (select ${place} from moved)) c),
  ${addedUp},
  removed as (delete from cell c using cells s where c.writer = s.writer and c.part = s.part),
  put as (
    insert into cell (writer, part, hour, backend, dataset, operation, stage, last_at, counts, shed, legacy, pooled, paired)
    select target, (select coalesce(max(part), 0) from cell where writer = target) + row_number() over (partition by target),
      k.hour, backend, dataset, operation, stage, last_at, counts, shed, legacy.latency, pooled.latency, paired
    from (select g, target, backend, dataset, operation, stage, max(hour) as hour, max(last_at) as last_at
        from cells group by g, target, backend, dataset, operation, stage) k
      join counted using (g) left join shed using (g) left join paired using (g)
      left join latency legacy on legacy.g = k.g and legacy.leg = 'legacy'
      left join latency pooled on pooled.g = k.g and pooled.leg = 'pooled'),${putHours}
  select count(*) into rows from moved;
  return rows;
end $$;`;
}

/** What goes into rows of a month is told by the hour as well, as long as somebody is shown it. */
const putHours = `
  passed as materialized (
    select dataset, backend, hour, counts, legacy, pooled from moved where target = '${foldedWriter}' and hour > ${nowHour} - ${String(keptHours)}),
  told as materialized (select h.* from (select distinct dataset, backend, hour from passed) k join hour h using (dataset, backend, hour)),
  hour_bucket as (
    select dataset, backend, hour, leg, bucket, sum(n) as total from (
      select dataset, backend, hour, leg, ceil((b->0)::int / 4.0)::int as bucket, (b->1)::bigint as n
        from passed, lateral (values ('legacy', legacy), ('pooled', pooled)) l(leg, latency), jsonb_array_elements(latency->'buckets') b
      union all
      select dataset, backend, hour, leg, split_part(pair, ':', 1)::int, split_part(pair, ':', 2)::bigint
        from told, lateral (values ('legacy', legacy), ('pooled', pooled)) l(leg, latency), unnest(string_to_array(latency, ' ')) pair) b
    group by dataset, backend, hour, leg, bucket),
  hour_latency as (
    select dataset, backend, hour, leg, string_agg(bucket || ':' || total, ' ' order by bucket) as latency
    from hour_bucket group by dataset, backend, hour, leg),
  put_hours as (
    insert into hour as h (dataset, backend, hour, ${sums.join(', ')}, legacy, pooled)
    select k.dataset, k.backend, k.hour, ${sums.join(', ')}, coalesce(l.latency, ''), coalesce(p.latency, '')
    from (
      select dataset, backend, hour, ${sums.map((name) => `sum(${name}) as ${name}`).join(', ')} from (
        select dataset, backend, hour, ${sums.map((name) => `${countAt(name)} as ${name}`).join(', ')} from passed
        union all select dataset, backend, hour, ${sums.join(', ')} from told) c
      group by dataset, backend, hour) k
    left join hour_latency l on (l.dataset, l.backend, l.hour, l.leg) = (k.dataset, k.backend, k.hour, 'legacy')
    left join hour_latency p on (p.dataset, p.backend, p.hour, p.leg) = (k.dataset, k.backend, k.hour, 'pooled')
    on conflict (dataset, backend, hour) do update set legacy = excluded.legacy, pooled = excluded.pooled,
      ${sums.map((name) => `${name} = excluded.${name}`).join(', ')})`;

/** Lets go what nobody is shown any more. */
export function expiredHours(schema: string): string {
  return `delete from ${schema}.hour where hour <= ${nowHour} - ${String(keptHours)}`;
}

/** A key's hours that are over, as a reader gets them. */
export const toldHours: string = `json_build_array(backend, dataset,
      json_agg(json_build_array(hour, ${sums.join(', ')}, legacy, pooled)))`;
