import { countNames } from '../recorder/counts.ts';
import { shapeCountNames } from '../recorder/cell.ts';
import { toldHours } from './fleet-hours.ts';
import { foldedWriter, maxSamples, shownHours, summedWriter } from './fleet-read.ts';

/** The lines of the ledger of each key, by time: rows between two lines stay apart, so that what was counted before a resumption
 * can still be told from what came after. */
const lines = `
  lines as materialized (
    select k.backend, k.dataset, array_agg(l.at) as ats
    from keys k join ledger l on l.backend = k.backend and l.dataset in ('', case k.dataset when '' then '*' else k.dataset end)
    group by 1, 2)`;
const epoch = `coalesce((select max(a) from unnest(ats) a where a < c.last_at), 0)`;

/** The first keys behind `behind`, in the order of the index: those of each table that has one. */
const nextKeys = ['cell', 'shape', 'reliance']
  .map(
    (table) => `
      (select backend, dataset from ${table} where (dataset, backend) > (behind->>1, behind->>0)
        group by dataset, backend order by dataset, backend limit more)`,
  )
  .join(' union ');

const nextOnes = `next_keys as materialized (
    select backend, dataset from (${nextKeys}) k where more > 0 order by dataset, backend limit more)`;

/** As JavaScript has numbers: exact up to 2^53, and in a third of the time that exact ones of any size take. */
function sumsOf(names: readonly string[]): string {
  return names.map((_, at) => `coalesce(sum((counts->>${String(at)})::float8), 0)`).join(', ');
}

/** A histogram in few bytes: its sum, its longest, and its buckets with their counts. */
function latencyText(column: string): string {
  return `case when timed and ${column} is not null then
      json_build_array(${column}->'sumMs', ${column}->'maxMs', ${bucketsOf(column)}) end`;
}

/** A histogram's buckets, each with its count behind it. */
function bucketsOf(column: string): string {
  return `translate(${column}->>'buckets', '[] ', '')`;
}

/** What the rows of one cell have in common. */
const place = 'backend, dataset, operation, stage, is_folded, epoch, told_hour';

/** Histograms of the rows of one cell, added up: those of a cell with one row are told as they are. */
const latencies = `
  several as materialized (select * from cell_rows where n > 1 and timed),
  merged as (
    select slot / 4096 as leg, string_agg(slot % 4096 || ',' || total, ',' order by slot) as buckets from (
      select slot, sum(n) as total from (
        select g * 8192 + key::int as slot, value::int8 as n
          from several, jsonb_each_text(jsonb_object(string_to_array(${bucketsOf('legacy')}, ','))) where adds
        union all select g * 8192 + 4096 + key::int, value::int8
          from several, jsonb_each_text(jsonb_object(string_to_array(${bucketsOf('pooled')}, ','))) where adds) l
      group by slot) t group by slot / 4096),
  buckets as (
    select * from merged
    union all select g * 2, string_agg(nullif(${bucketsOf('legacy')}, ''), ',') from several where not adds group by g
    union all select g * 2 + 1, string_agg(nullif(${bucketsOf('pooled')}, ''), ',') from several where not adds group by g),
  times as (
    select g, sum((legacy->'sumMs')::float8) as legacy_sum, max((legacy->'maxMs')::float8) as legacy_max,
      sum((pooled->'sumMs')::float8) as pooled_sum, max((pooled->'maxMs')::float8) as pooled_max from several group by g),
  latencies as (
    select g, case when legacy_sum is not null then json_build_array(legacy_sum, legacy_max, coalesce(l.buckets, '')) end as legacy,
      case when pooled_sum is not null then json_build_array(pooled_sum, pooled_max, coalesce(p.buckets, '')) end as pooled
    from times left join buckets l on l.leg = g * 2 left join buckets p on p.leg = g * 2 + 1),
  pairs as (
    select g, (paired->'n')::float8 as n, (paired->'mean')::float8 as mean, (paired->'squares')::float8 as squares
    from several where paired is not null),
  paired as (
    select g, json_build_object('n', sum(n), 'mean', max(total), 'squares', sum(squares + n * (mean - total) ^ 2)) as paired
    from (select *, coalesce(sum(n * mean) over (partition by g) / nullif(sum(n) over (partition by g), 0), 0) as total from pairs) p
    group by g)`;

const cellRow = (
  row: string,
): string => `json_build_array(${row}.hour, ${row}.backend, ${row}.dataset, ${row}.operation, ${row}.stage,
      ${row}.counts`;

/**
 * What all processes counted of some keys at one moment, added up: what it gives grows with keys, operations and hours, not with
 * processes. One statement sees one state of a key, so what is being folded is seen once.
 *
 * `asked` is a list of backends, keys, and whether latencies are told; as many keys as `more` says are read as well, the first ones behind
 * `behind`. `own` is the reader's writer, whose rows from the hour `own_from` on come as they are, since the reader knows some of them
 * better; null for one that writes nothing. So many hours are told apart as `told` says. Where `adds`, histograms are added up too, which
 * takes the server most of the time: a reader that may fetch more gets those of all processes, one behind the other.
 */
const keysFunction = `
  with ${nextOnes},
  keys as materialized (
    select backend, dataset, bool_or(timed) as timed, bool_or(is_next) as is_next from (
      select a->>0 as backend, a->>1 as dataset, (a->>2)::boolean as timed, false as is_next from jsonb_array_elements(asked) a
      union all select backend, dataset, true, true from next_keys) k group by backend, dataset),${lines},
  cell_rows as materialized (
    select *, dense_rank() over (order by ${place}) as g, count(*) over (partition by ${place}) as n from (
      select c.*, timed, writer = '${foldedWriter}' as is_folded, ${epoch} as epoch,
        case when hour > extract(epoch from clock_timestamp()) / 3600 - told then hour else -1 end as told_hour
      from keys join cell c using (backend, dataset) left join lines using (backend, dataset)
      where not c.folded and (c.writer is distinct from own or c.hour < own_from)) c),
  cell_keys as materialized (
    select g, backend, dataset, operation, stage, is_folded, max(hour) as hour, max(last_at) as last_at,
      json_build_array(${sumsOf(countNames)}) as counts
    from cell_rows where n > 1 group by g, backend, dataset, operation, stage, is_folded),${latencies},
  shed as (
    select g, json_object_agg(key, total) as shed from (
      select g, key, sum(value::numeric) as total from (select * from cell_rows where n > 1 and shed is not null) c, jsonb_each(shed)
      group by g, key) t group by g),
  shape_rows as materialized (
    select c.*, ${epoch} as epoch from keys join shape c using (backend, dataset) left join lines using (backend, dataset)
    where not c.folded)
  select 'keys' as kind, json_build_array(backend, dataset, is_next)::text as value from keys
  union all
  (select 'last', json_build_array(backend, dataset)::text from next_keys order by dataset desc, backend desc limit 1)
  union all
  select 'cells', ${cellRow('k')}, shed, l.legacy, l.pooled, p.paired, k.last_at,
    case when is_folded then '${foldedWriter}' else '${summedWriter}' end, g)::text
    from cell_keys k left join shed using (g) left join latencies l using (g) left join paired p using (g)
  union all
  select 'cells', ${cellRow('c')}, shed, ${latencyText('c.legacy')}, ${latencyText('c.pooled')}, case when timed then c.paired end,
    c.last_at, case when c.is_folded then '${foldedWriter}' else '${summedWriter}' end, g)::text
    from cell_rows c where n = 1
  union all
  select 'cells', ${cellRow('c')}, shed, ${latencyText('c.legacy')}, ${latencyText('c.pooled')}, case when timed then c.paired end,
    c.last_at, own, c.part)::text
    from keys join cell c using (backend, dataset) where not c.folded and c.writer = own and c.hour >= own_from
  union all
  select 'shapes', json_build_array(backend, dataset, operation, shape, stage, json_build_array(${sumsOf(shapeCountNames)}),
    (array_agg(not_comparable order by last_at desc))[1], min(first_at), max(last_at), '${summedWriter}', row_number() over ())::text
    from shape_rows where writer is distinct from own group by backend, dataset, operation, shape, stage, epoch
  union all
  select 'shapes', json_build_array(backend, dataset, operation, shape, stage, counts, not_comparable, first_at, last_at, own, part)::text
    from shape_rows where writer = own
  union all
  select 'reliance', to_json(c)::text from keys join reliance c using (backend, dataset)
  union all
  select 'added', json_build_array((select count(*) from cell_rows where timed), (select count(*) from cell_rows where not timed)
    + (select count(*) from shape_rows))::text`;

/** The same of the next keys for people, who see hours as well. */
const allFunction = `
  select * from read_keys_1(null, 0, ${String(shownHours)}, false, '[]', behind, more)
  union all
  select 'hours', t.value from (
    with ${nextOnes} select ${toldHours}::text as value from next_keys join hour using (backend, dataset) group by backend, dataset) t`;

/** Counts of all keys and nothing else, for who can't wait for the rest. */
const countsFunction = `
  with keys as materialized (select distinct backend, dataset from cell where not folded),${lines}
  select 'cells', json_build_array(max(hour), backend, dataset, operation, stage, json_build_array(${sumsOf(countNames)}),
    null, null, null, null, max(last_at), '${summedWriter}', row_number() over ())::text
  from (
    select c.*, ${epoch} as epoch from cell c left join lines using (backend, dataset) where not c.folded) c
  group by backend, dataset, operation, stage, epoch`;

/** What is told of no key by itself: who counted, what was seen of mismatches, and what happened. */
const othersFunction = `
  select 'writers' as kind, json_build_array(writer, run, host, pid, node, started_at, last_at, samples_over_limit)::text as value
    from writer
  union all
  select 'groups', to_json(t)::text from (
    select case when writer = own then own else '${summedWriter}' end as writer, fingerprint, min(backend) as backend,
      min(operation) as operation, min(verdict) as verdict, min(class) as class, sum(count) as count,
      min(first_at) as first_at, max(last_at) as last_at, min(dataset) as dataset, min(shape) as shape
    from sample_group where not folded group by 1, 2) t
  union all
  select 'samples', to_json(t)::text from (
    select s.*, row_number() over (partition by fingerprint order by at) as place from sample s) t
    where place <= ${String(maxSamples)} or writer = own
  union all
  select 'events', to_json(t)::text from event t
  union all
  select 'rules', to_json(t)::text from (
    select case when r.writer = own then own else '${summedWriter}' end as writer, backend, rule, sum(uses) as uses,
      sum(failures) as failures, coalesce(max(last_at), 0) as last_at
    from rule_use r left join writer w on w.writer = r.writer and w.writer <> '${foldedWriter}'
    where not r.folded group by 1, 2, 3) t`;

/**
 * What a reader gets, since version 6: `read_keys_1` for some keys at a time, so that neither the server nor the reader has all of a large
 * store in memory at once, and `read_others_1`; since version 7 `read_all_1`, which a reader of all has of some keys at a time, and `read_counts_1`.
 *
 * @param schema a plain name.
 */
export function sumFunctions(schema: string): string {
  const head = (name: string, set = 'set enable_seqscan = off'): string => `
create or replace function ${schema}.${name} returns table (kind text, value text) language sql stable
  set search_path = ${schema}, pg_catalog set jit = off ${set} as $$`;
  return `${head('read_keys_1(own text, own_from int, told int, adds boolean, asked jsonb, behind jsonb, more int)')}${keysFunction}
$$;${head('read_all_1(behind jsonb, more int)')}${allFunction}
$$;${head('read_counts_1()', '')}${countsFunction}
$$;${head('read_others_1(own text)')}${othersFunction}
$$;`;
}
