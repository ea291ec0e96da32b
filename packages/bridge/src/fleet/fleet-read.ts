/** The rows of processes that are gone are added up under this name in place of a process's own. */
export const foldedWriter = '(folded)';
/** Rows of this hour and the one before to which processes that live don't add any more are added up under this one. */
export const hoursWriter = '(hours)';
/** The rows of all processes that live are added up under this name, in what a reader gets. */
export const summedWriter = '(summed)';

/** Longer ago than this nobody is shown hours: well beyond what the hour book keeps, whatever a reader's clock says. */
export const shownHours = 72;
/** So many of a fingerprint are shown. */
export const maxSamples = 20;

/** A row's last line of the ledger before it was counted in for the last time: rows between two lines stay apart, so that what was
 * counted before a resumption can still be told from what came after. The row is `c`. */
export function epochOf(schema: string): string {
  return `coalesce((select max(l.at) from ${schema}.ledger l where l.backend = c.backend and l.at < c.last_at
    and l.dataset in ('', case c.dataset when '' then '*' else c.dataset end)), 0) as epoch`;
}

/** The rows of \`cells\` with one \`g\`, added up. */
export const addedUp: string = `
  counted as (
    select g, jsonb_agg(total order by place) as counts from (
      select g, place, sum(value::bigint) as total
      from cells, jsonb_array_elements_text(counts) with ordinality e(value, place) group by g, place) t group by g),
  shed as (
    select g, jsonb_object_agg(key, total) as shed from (
      select g, key, sum(value::numeric) as total from cells, jsonb_each(shed) group by g, key) t group by g),
  latencies as (
    select g, leg, latency from cells, lateral (values ('legacy', legacy), ('pooled', pooled)) l(leg, latency)
    where latency is not null),
  buckets as (
    select g, leg, jsonb_agg(jsonb_build_array(bucket, total) order by bucket) as buckets from (
      select g, leg, (b->0)::int as bucket, sum((b->1)::bigint) as total
      from latencies, jsonb_array_elements(latency->'buckets') b group by g, leg, (b->0)::int) t group by g, leg),
  latency as (
    select g, leg, jsonb_build_object('buckets', coalesce(buckets, '[]'), 'sumMs', sum_ms, 'maxMs', max_ms) as latency
    from (select g, leg, sum((latency->'sumMs')::float8) as sum_ms, max((latency->'maxMs')::float8) as max_ms
      from latencies group by g, leg) t left join buckets using (g, leg)),
  pairs as (
    select g, (paired->'n')::float8 as n, (paired->'mean')::float8 as mean, (paired->'squares')::float8 as squares
    from cells where paired is not null),
  paired as (
    select g, jsonb_build_object('n', sum(n), 'mean', max(total), 'squares', sum(squares + n * (mean - total) ^ 2)) as paired
    from (select *, coalesce(sum(n * mean) over (partition by g) / nullif(sum(n) over (partition by g), 0), 0) as total from pairs) p
    group by g)`;

/**
 * For programs of version 5: all that is in a store at one moment, with the counts of all processes added up: what it gives grows with keys, operations and
 * hours, and of the processes only their names are in it. One statement sees one state, so what is being folded is seen once.
 *
 * @param schema a plain name. The function's argument is the reader's own writer, whose rows come as they are, since the reader knows
 * some of them better; null for a reader that writes nothing.
 */
export function readFunction(schema: string): string {
  const all = (table: string): string => `(select coalesce(json_agg(t), '[]') from ${table} t)`;
  return `
create or replace function ${schema}.read_2(own text) returns json language sql stable
  set search_path = ${schema}, pg_catalog as $$
  with cells as materialized (
    select c.*, dense_rank() over (order by backend, dataset, operation, stage, writer = '${foldedWriter}', epoch,
      case when hour > extract(epoch from clock_timestamp()) / 3600 - ${String(shownHours)} then hour end) as g
    from (select c.*, ${epochOf(schema)} from cell c where not folded and writer is distinct from own) c),
  ${addedUp},
  shapes as materialized (
    select c.*, dense_rank() over (order by backend, dataset, operation, shape, stage, epoch) as g
    from (select c.*, ${epochOf(schema)} from shape c where not folded and writer is distinct from own) c),
  shape_counted as (
    select g, json_agg(total order by place) as counts from (
      select g, place, sum(value::numeric) as total
      from shapes, jsonb_array_elements_text(counts) with ordinality e(value, place) group by g, place) t group by g)
  select json_build_object(
    'writers', (select coalesce(json_agg(json_build_array(
      writer, run, host, pid, node, started_at, last_at, samples_over_limit)), '[]') from writer),
    'cells', (select coalesce(json_agg(row), '[]') from (
      select json_build_object('writer', writer, 'part', k.g, 'hour', hour, 'backend', backend, 'dataset', dataset,
        'operation', operation, 'stage', stage, 'counts', counts, 'shed', shed, 'legacy', legacy.latency,
        'pooled', pooled.latency, 'paired', paired, 'last_at', last_at) as row
      from (select g, case when min(writer) = '${foldedWriter}' then '${foldedWriter}' else '${summedWriter}' end as writer,
          max(hour) as hour, min(backend) as backend, min(dataset) as dataset, min(operation) as operation,
          min(stage) as stage, max(last_at) as last_at from cells group by g) k
        join counted using (g) left join shed using (g) left join paired using (g)
        left join latency legacy on legacy.g = k.g and legacy.leg = 'legacy'
        left join latency pooled on pooled.g = k.g and pooled.leg = 'pooled'
      union all select to_json(t) from cell t where not folded and writer = own) rows),
    'shapes', (select coalesce(json_agg(row), '[]') from (
      select json_build_object('writer', '${summedWriter}', 'part', k.g, 'backend', backend, 'dataset', dataset,
        'operation', operation, 'shape', shape, 'stage', stage, 'counts', counts, 'not_comparable', not_comparable,
        'first_at', first_at, 'last_at', last_at) as row
      from (select g, min(backend) as backend, min(dataset) as dataset, min(operation) as operation, min(shape) as shape,
          min(stage) as stage, (array_agg(not_comparable order by last_at desc))[1] as not_comparable,
          min(first_at) as first_at, max(last_at) as last_at from shapes group by g) k
        join shape_counted using (g)
      union all select to_json(t) from shape t where not folded and writer = own) rows),
    'groups', (select coalesce(json_agg(t), '[]') from (
      select case when writer = own then own else '${summedWriter}' end as writer, fingerprint, min(backend) as backend,
        min(operation) as operation, min(verdict) as verdict, min(class) as class, sum(count) as count,
        min(first_at) as first_at, max(last_at) as last_at, min(dataset) as dataset, min(shape) as shape
      from sample_group where not folded group by 1, 2) t),
    'samples', (select coalesce(json_agg(t), '[]') from (
      select s.*, row_number() over (partition by fingerprint order by at) as place from sample s) t
      where place <= ${String(maxSamples)} or writer = own),
    'events', ${all('event')},
    'rules', (select coalesce(json_agg(t), '[]') from (
      select case when r.writer = own then own else '${summedWriter}' end as writer, backend, rule, sum(uses) as uses,
        sum(failures) as failures, coalesce(max(last_at), 0) as last_at
      from rule_use r left join writer w on w.writer = r.writer and w.writer <> '${foldedWriter}'
      where not r.folded group by 1, 2, 3) t),
    'reliance', ${all('reliance')},
    'added', (select count(*) from cells) + (select count(*) from shapes))
$$;`;
}
