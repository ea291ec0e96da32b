import { longestAgoMs } from './outbox-rows.ts';
import { exchangeMinutes, minutesWait } from './fleet-minutes.ts';
import { exchangeRepeats } from './fleet-repeats.ts';

/** Says that the process is there (`t`), introduces it (`i`), and says of which hours its rows may still change (`p`). One that others took for
 * dead is told what they made of its rows, and nothing else is done: it begins anew. A message that comes after a later one (`j`) was given
 * up by its sender, who has said the same again: rows that it has may be added up already, and gone. */
const renewWriter = `
  if p ? 't' then
    update writer set last_at = (p->>'t')::bigint, samples_over_limit = (p->>'o')::bigint,
      message = (p->>'j')::bigint, open_from = (p->>'p')::int,
      seen = case when p ? 'q' then '-infinity'
        when seen < clock_timestamp() - interval '5 seconds' then clock_timestamp() else seen end
      where writer = w and not folded and (message < (p->>'j')::bigint) is not false;
    if not found then
      if exists (select from writer where writer = w and not folded) then
        raise exception 'a later message of the process % was heard before', w;
      elsif p ? 'i' and not exists (select from writer where writer = w) then
        insert into writer (writer, run, host, pid, node, started_at, last_at, seen, message, open_from)
          values (w, p->'i'->>0, p->'i'->>1, (p->'i'->>2)::int, p->'i'->>3, (p->'i'->>4)::bigint,
            (p->>'t')::bigint, clock_timestamp(), (p->>'j')::bigint, (p->>'p')::int);
      else
        return jsonb_build_object('f', jsonb_build_object(
          'c', (select coalesce(jsonb_agg(jsonb_build_array(part, counts, shed)), '[]') from cell where writer = w and folded),
          's', (select coalesce(jsonb_agg(jsonb_build_array(part, counts)), '[]') from shape where writer = w and folded),
          'g', (select coalesce(jsonb_agg(jsonb_build_array(fingerprint, count)), '[]') from sample_group where writer = w and folded),
          'r', (select coalesce(jsonb_agg(jsonb_build_array(backend, rule, uses, failures)), '[]') from rule_use where writer = w and folded),
          'o', (select samples_over_limit from writer where writer = w)));
      end if;
    end if;
  end if;`;

/** A row's time, which may be told as how long before the message it was. */
const told = (at: string): string =>
  `case when (${at})::bigint < ${String(longestAgoMs)} then (p->>'t')::bigint - (${at})::bigint else (${at})::bigint end`;

/** Counts of cells (`c`), and their histograms (`h`), which are longer and sent less often. */
const storeCells = `
  if p ? 'c' then
    insert into cell (writer, part, counts, shed, last_at, hour, backend, dataset, operation, stage)
      select w, (r->>0)::int, r->1, nullif(r->2, 'null'), ${told('r->>3')},
        (r->4->>0)::int, r->4->>1, r->4->>2, r->4->>3, r->4->>4
      from jsonb_array_elements(p->'c') r where jsonb_typeof(r->4) = 'array'
      on conflict (writer, part) do update set counts = excluded.counts, shed = excluded.shed, last_at = excluded.last_at;
    update cell set counts = r->1, shed = nullif(r->2, 'null'), last_at = ${told('r->>3')}
      from jsonb_array_elements(p->'c') r
      where writer = w and part = (r->>0)::int and jsonb_typeof(r->4) is distinct from 'array';
  end if;
  if p ? 'h' then
    update cell set legacy = r->1, pooled = r->2, paired = r->3 from jsonb_array_elements(p->'h') r
      where writer = w and part = (r->>0)::int;
  end if;`;

/** Counts of shapes (`s`). */
const storeShapes = `
  if p ? 's' then
    insert into shape (writer, part, counts, last_at, not_comparable, first_at, backend, dataset, operation, shape, stage)
      select w, (r->>0)::int, r->1, ${told('r->>2')}, r->>3, (r->4->>0)::bigint, r->4->>1, r->4->>2, r->4->>3, r->4->>4, r->4->>5
      from jsonb_array_elements(p->'s') r where jsonb_typeof(r->4) = 'array'
      on conflict (writer, part) do update
        set counts = excluded.counts, last_at = excluded.last_at, not_comparable = excluded.not_comparable;
    update shape set counts = r->1, last_at = ${told('r->>2')}, not_comparable = r->>3
      from jsonb_array_elements(p->'s') r
      where writer = w and part = (r->>0)::int and jsonb_typeof(r->4) is distinct from 'array';
  end if;`;

/** Groups of comparisons that are alike (`g`), and samples of them (`m`). */
const storeSamples = `
  if p ? 'g' then
    insert into sample_group (writer, fingerprint, backend, operation, verdict, class, count, first_at, last_at, dataset, shape)
      select w, r->>0, r->>1, r->>2, r->>3, r->>4, (r->>5)::bigint, (r->>6)::bigint, (r->>7)::bigint, r->>8, r->>9
      from jsonb_array_elements(p->'g') r
      on conflict (writer, fingerprint) do update
        set count = excluded.count, first_at = excluded.first_at, last_at = excluded.last_at;
  end if;
  if p ? 'm' then
    insert into sample (writer, fingerprint, sequence, at, dataset, stage, summary, legacy, pooled, reason, call)
      select w, r->>0, (r->>1)::int, (r->>2)::bigint, r->>3, r->>4, r->>5, r->>6, r->>7, r->>8, r->>9
      from jsonb_array_elements(p->'m') r on conflict do nothing;
  end if;`;

/** The timeline (`e`), the uses of rules (`r`), and who relies on a guarantee (`y`). */
const storeEvents = `
  if p ? 'e' then
    insert into event (writer, sequence, at, kind, fields)
      select w, (r->>0)::int, (r->>1)::bigint, r->>2, r->>3 from jsonb_array_elements(p->'e') r on conflict do nothing;
  end if;
  if p ? 'r' then
    insert into rule_use (writer, backend, rule, uses, failures)
      select w, r->>0, r->>1, (r->>2)::bigint, (r->>3)::bigint from jsonb_array_elements(p->'r') r
      on conflict (writer, backend, rule) do update set uses = excluded.uses, failures = excluded.failures;
  end if;
  if p ? 'y' then
    insert into reliance (writer, backend, dataset, guarantee, use, count, sites, kept, first_at, last_at)
      select r->>0, r->>1, r->>2, r->>3, r->>4, (r->>5)::bigint, r->>6, (r->>7)::int, (r->>8)::bigint, (r->>9)::bigint
      from jsonb_array_elements(p->'y') r
      on conflict (writer, backend, dataset, guarantee, use) do update
        set count = excluded.count, sites = excluded.sites, kept = excluded.kept, last_at = excluded.last_at;
  end if;`;

/** The process's own windows of its guardrails (`v`). */
const storeWindows = `
  if p ? 'v' then
    insert into guardrail_window (backend, dataset, writer, figures, at)
      select r->>0, r->>1, w, r->2, clock_timestamp() from jsonb_array_elements(p->'v') r
      on conflict (backend, dataset, writer) do update set figures = excluded.figures, at = excluded.at;
  end if;`;

/** The windows of all others, of the keys that the process asks for (`a`), summed. */
const tellWindows = `
  if p ? 'a' then
    answer := jsonb_build_object('v', (
      select coalesce(jsonb_agg(jsonb_build_array(asked->>0, asked->>1, jsonb_build_array(summed.figures))), '[]')
      from jsonb_array_elements(p->'a') asked, lateral (
        with recent as (
          select figures from guardrail_window
          where backend = asked->>0 and dataset = asked->>1 and writer <> w
            and at > clock_timestamp() - make_interval(secs => (asked->>2)::float8))
        select jsonb_build_object('n', count(*), 'c', sum((figures->>'c')::numeric), 'f', sum((figures->>'f')::numeric),
          'k', sum((figures->>'k')::numeric), 'g', sum((figures->>'g')::numeric), 'm', sum((figures->>'m')::numeric),
          'o', (
            select coalesce(jsonb_object_agg(operation, jsonb_build_array(
              calls, round(weighted / greatest(calls, 1), 3), legacy_calls, round(legacy_ms, 3))), '{}')
            from (
              select o.key as operation, sum((o.value->>0)::numeric) as calls,
                sum((o.value->>0)::numeric * (o.value->>1)::numeric) as weighted,
                sum((o.value->>2)::numeric) as legacy_calls, sum((o.value->>3)::numeric) as legacy_ms
              from recent, jsonb_each(figures->'o') o group by o.key) operations)) as figures
        from recent having count(*) > 0) summed));
  end if;`;

/** Whether somebody is silent for so many seconds (`d`), or minutes wait, so that it is worth folding. */
const tellOfDead = `
  if p ? 'd' then
    answer := answer || jsonb_build_object('d', exists (
      select from writer where not folded and seen < clock_timestamp() - make_interval(secs => (p->>'d')::float8))
      or ${minutesWait});
  end if;`;

/** Lines of the ledger since a transaction (`x`), but those that the process has (`n`). */
const tellSteps = `
  if p ? 'x' then
    return answer || jsonb_build_object('x', pg_snapshot_xmin(pg_current_snapshot())::text, 'l', (
      select jsonb_agg(jsonb_build_array(tx::text, sequence, at, backend, dataset, from_stage, to_stage, held, who, reason, revision)
        order by sequence)
      from ledger where tx >= (p->>'x')::xid8 and (not p ? 'n' or not p->'n' @> to_jsonb(sequence))));
  end if;`;

/**
 * What a process says and hears once a second, as one statement of few bytes: its text is here and not on the wire. A pooler may
 * give each call another connection, so all that it stands on is set with it. The argument's fields are those of
 * `Message`, the answer's those of `Answer`.
 *
 * Each second's updates must stay in their pages (HOT): no index has a column that they change, but `seen`, which is renewed
 * every five seconds.
 */
export function exchangeFunction(schema: string): string {
  return `
create or replace function ${schema}.exchange_1(p jsonb) returns jsonb language plpgsql
  set search_path = ${schema}, pg_catalog set lock_timeout = '2s' as $$
declare
  w text := p->>'w';
  answer jsonb := '{}';
begin${renewWriter}${storeCells}${storeShapes}${storeSamples}${storeEvents}
${exchangeMinutes}${storeWindows}${tellWindows}${tellOfDead}
${exchangeRepeats}${tellSteps}
  return answer;
end $$;`;
}
