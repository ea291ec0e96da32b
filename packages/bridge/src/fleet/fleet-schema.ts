import { ChangeoverError } from '@changeover/core';
import { exchangeMinutes, minuteTable, minutesFunction, minutesWait } from './fleet-minutes.ts';
import { readFunction } from './fleet-read.ts';
import { exchangeRepeats, repeatTable } from './fleet-repeats.ts';

/** What this program makes of a store. A later version only adds tables, columns, functions of a new name, and to those that are there
 * fields that a message need not have, so that it and the one before share a store. */
export const storeVersion = 5;

/**
 * Brings a schema to {@link storeVersion}, whatever it had: one text of several statements, which PostgreSQL runs as one
 * transaction. "If not exists" alone isn't safe against two processes that start together, hence the lock. Tables are altered in the
 * order in which `exchange_1` uses them: a release that starts while others talk to the store must not deadlock with them.
 *
 * @param schema a plain name, which needs no quoting.
 * @param firstLine the number of the ledger's first line.
 */
function storeSchema(schema: string, firstLine: number): string {
  return `
select pg_advisory_xact_lock(hashtext('changeover ledger'));
${schemaWhereNone(schema)}
create table if not exists ${schema}.store (single boolean primary key default true check (single), version int not null);
create table if not exists ${schema}.writer (
  writer text primary key, run text not null, host text not null, pid int not null, node text not null,
  started_at bigint not null, last_at bigint not null, samples_over_limit bigint not null default 0,
  seen timestamptz not null, folded boolean not null default false, folded_at timestamptz
) with (fillfactor = 50);
create index if not exists writer_folded_seen on ${schema}.writer (folded, seen);
create table if not exists ${schema}.cell (
  writer text not null, part int not null, hour int not null, backend text not null, dataset text not null,
  operation text not null, stage text not null, counts jsonb not null, shed jsonb,
  legacy jsonb, pooled jsonb, paired jsonb, last_at bigint not null, folded boolean not null default false,
  primary key (writer, part)
) with (fillfactor = 50);
create table if not exists ${schema}.shape (
  writer text not null, part int not null, backend text not null, dataset text not null, operation text not null,
  shape text not null, stage text not null, counts jsonb not null, not_comparable text,
  first_at bigint not null, last_at bigint not null, folded boolean not null default false,
  primary key (writer, part)
) with (fillfactor = 50);
create table if not exists ${schema}.sample_group (
  writer text not null, fingerprint text not null, backend text not null, operation text not null,
  verdict text not null, class text, count bigint not null, first_at bigint not null, last_at bigint not null,
  folded boolean not null default false, primary key (writer, fingerprint)
);
create table if not exists ${schema}.sample (
  writer text not null, fingerprint text not null, sequence int not null, at bigint not null, dataset text not null,
  stage text not null, summary text not null, legacy text, pooled text, reason text,
  primary key (writer, fingerprint, sequence)
);
alter table ${schema}.sample_group add column if not exists dataset text, add column if not exists shape text;
alter table ${schema}.sample add column if not exists call text;
create table if not exists ${schema}.event (
  writer text not null, sequence int not null, at bigint not null, kind text not null, fields text not null,
  primary key (writer, sequence)
);
create table if not exists ${schema}.rule_use (
  writer text not null, backend text not null, rule text not null, uses bigint not null, failures bigint not null,
  folded boolean not null default false, primary key (writer, backend, rule)
);
create table if not exists ${schema}.reliance (
  writer text not null, backend text not null, dataset text not null, guarantee text not null, use text not null,
  count bigint not null, sites text not null, kept int not null, first_at bigint not null, last_at bigint not null,
  primary key (writer, backend, dataset, guarantee, use)
);
create table if not exists ${schema}.guardrail_window (
  backend text not null, dataset text not null, writer text not null, figures jsonb not null,
  at timestamptz not null, primary key (backend, dataset, writer)
) with (fillfactor = 50);
create table if not exists ${schema}.ledger (
  sequence bigint generated always as identity (start with ${String(firstLine)}) primary key, at bigint not null,
  backend text not null, dataset text not null, from_stage text not null, to_stage text not null,
  held boolean not null, who text not null, reason text not null, revision text not null,
  previous bigint not null, unique (backend, dataset, previous)
);
alter table ${schema}.ledger add column if not exists tx xid8 not null default pg_current_xact_id();
create index if not exists ledger_tx on ${schema}.ledger (tx);
${repeatTable(schema)}
${minuteTable(schema)}
${exchangeFunction(schema)}
${firstReadFunction(schema)}
${readFunction(schema)}
${minutesFunction(schema)}
insert into ${schema}.store (version) values (${String(storeVersion)})
  on conflict (single) do update set version = greatest(store.version, excluded.version);
`;
}

/**
 * What a process says and hears once a second, as one statement of few bytes: its text is here and not on the wire. A pooler may
 * give each call another connection, so all that it stands on is set with it. The argument's fields are those of
 * `Message`, the answer's those of `Answer`.
 *
 * Each second's updates must stay in their pages (HOT): no index has a column that they change, but `seen`, which is renewed
 * every five seconds.
 */
function exchangeFunction(schema: string): string {
  return `
create or replace function ${schema}.exchange_1(p jsonb) returns jsonb language plpgsql
  set search_path = ${schema}, pg_catalog set lock_timeout = '2s' as $$
declare
  w text := p->>'w';
  answer jsonb := '{}';
begin
  if p ? 't' then
    update writer set last_at = (p->>'t')::bigint, samples_over_limit = (p->>'o')::bigint,
      seen = case when p ? 'q' then '-infinity'
        when seen < clock_timestamp() - interval '5 seconds' then clock_timestamp() else seen end
      where writer = w and not folded;
    if not found then
      if p ? 'i' and not exists (select from writer where writer = w) then
        insert into writer (writer, run, host, pid, node, started_at, last_at, seen)
          values (w, p->'i'->>0, p->'i'->>1, (p->'i'->>2)::int, p->'i'->>3, (p->'i'->>4)::bigint,
            (p->>'t')::bigint, clock_timestamp());
      else
        return jsonb_build_object('f', jsonb_build_object(
          'c', (select coalesce(jsonb_agg(jsonb_build_array(part, counts, shed)), '[]') from cell where writer = w and folded),
          's', (select coalesce(jsonb_agg(jsonb_build_array(part, counts)), '[]') from shape where writer = w and folded),
          'g', (select coalesce(jsonb_agg(jsonb_build_array(fingerprint, count)), '[]') from sample_group where writer = w and folded),
          'r', (select coalesce(jsonb_agg(jsonb_build_array(backend, rule, uses, failures)), '[]') from rule_use where writer = w and folded),
          'o', (select samples_over_limit from writer where writer = w)));
      end if;
    end if;
  end if;
  if p ? 'c' then
    insert into cell (writer, part, counts, shed, last_at, hour, backend, dataset, operation, stage)
      select w, (r->>0)::int, r->1, nullif(r->2, 'null'), (r->>3)::bigint,
        (r->4->>0)::int, r->4->>1, r->4->>2, r->4->>3, r->4->>4
      from jsonb_array_elements(p->'c') r where jsonb_typeof(r->4) = 'array'
      on conflict (writer, part) do update set counts = excluded.counts, shed = excluded.shed, last_at = excluded.last_at;
    update cell set counts = r->1, shed = nullif(r->2, 'null'), last_at = (r->>3)::bigint
      from jsonb_array_elements(p->'c') r
      where writer = w and part = (r->>0)::int and jsonb_typeof(r->4) is distinct from 'array';
  end if;
  if p ? 'h' then
    update cell set legacy = r->1, pooled = r->2, paired = r->3 from jsonb_array_elements(p->'h') r
      where writer = w and part = (r->>0)::int;
  end if;
  if p ? 's' then
    insert into shape (writer, part, counts, last_at, not_comparable, first_at, backend, dataset, operation, shape, stage)
      select w, (r->>0)::int, r->1, (r->>2)::bigint, r->>3, (r->4->>0)::bigint, r->4->>1, r->4->>2, r->4->>3, r->4->>4, r->4->>5
      from jsonb_array_elements(p->'s') r where jsonb_typeof(r->4) = 'array'
      on conflict (writer, part) do update
        set counts = excluded.counts, last_at = excluded.last_at, not_comparable = excluded.not_comparable;
    update shape set counts = r->1, last_at = (r->>2)::bigint, not_comparable = r->>3
      from jsonb_array_elements(p->'s') r
      where writer = w and part = (r->>0)::int and jsonb_typeof(r->4) is distinct from 'array';
  end if;
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
  end if;
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
  end if;
${exchangeMinutes}
  if p ? 'v' then
    insert into guardrail_window (backend, dataset, writer, figures, at)
      select r->>0, r->>1, w, r->2, clock_timestamp() from jsonb_array_elements(p->'v') r
      on conflict (backend, dataset, writer) do update set figures = excluded.figures, at = excluded.at;
  end if;
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
  end if;
  if p ? 'd' then
    answer := answer || jsonb_build_object('d', exists (
      select from writer where not folded and seen < clock_timestamp() - make_interval(secs => (p->>'d')::float8))
      or ${minutesWait});
  end if;
${exchangeRepeats}
  if p ? 'x' then
    return answer || jsonb_build_object('x', pg_snapshot_xmin(pg_current_snapshot())::text, 'l', (
      select jsonb_agg(jsonb_build_array(tx::text, sequence, at, backend, dataset, from_stage, to_stage, held, who, reason, revision)
        order by sequence)
      from ledger where tx >= (p->>'x')::xid8 and (not p ? 'n' or not p->'n' @> to_jsonb(sequence))));
  end if;
  return answer;
end $$;`;
}

/** All rows of all processes, for programs of before version 4: they use what a later one made. */
function firstReadFunction(schema: string): string {
  const rows = (table: string, where = ''): string =>
    `(select coalesce(json_agg(t), '[]') from ${table} t ${where})`;
  return `
create or replace function ${schema}.read_1() returns json language sql stable
  set search_path = ${schema}, pg_catalog as $$
  select json_build_object(
    'writers', (select coalesce(json_agg(json_build_object('writer', writer, 'run', run, 'host', host, 'pid', pid, 'node', node,
      'started_at', started_at, 'last_at', last_at, 'samples_over_limit', samples_over_limit)), '[]')
      from writer),
    'cells', ${rows('cell', 'where not folded')},
    'groups', ${rows('sample_group', 'where not folded')},
    'samples', ${rows('sample')},
    'events', ${rows('event')},
    'rules', ${rows('rule_use', 'where not folded')},
    'shapes', ${rows('shape', 'where not folded')},
    'reliance', ${rows('reliance')})
$$;`;
}

/** PostgreSQL asks for the right to make a schema even where "if not exists" has nothing to make. */
function schemaWhereNone(schema: string): string {
  return `do $$ begin
  if not exists (select from pg_namespace where nspname = '${schema}') then create schema ${schema}; end if;
end $$;`;
}

type Query = (text: string) => Promise<{ readonly rows: readonly unknown[] }>;

/** Makes the schema, or brings an earlier one forward; one of a later version is used as it is, since versions only add.
 *
 * @throws {ChangeoverError} with the code `STORE_NOT_ALLOWED` where the role lacks rights. @throws the driver's error. */
export async function prepareStore(query: Query, schema: string): Promise<void> {
  // Whoever may not make a schema may use one that is there. Asked of the catalogue: `to_regclass` would remember that there is
  // none, and the schema that another process makes meanwhile would be made twice.
  const { rows } = await query(
    `select current_user::text as role, current_database()::text as database, exists (
       select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = '${schema}' and c.relname = 'store') as there`,
  );
  const found = rows[0] as FoundStore;
  try {
    if (found.there) {
      const { rows: versions } = await query(`select version from ${schema}.store`);
      if (Number((versions[0] as { version: unknown } | undefined)?.version) >= storeVersion)
        return;
    }
    // By the time: in a store that was dropped and made again a line must not have the number of one that processes have heard of,
    // which they would take for the same.
    await query(storeSchema(schema, Date.now()));
  } catch (error) {
    throw isNotAllowed(error) ? notAllowed(schema, found, error) : error;
  }
}

interface FoundStore {
  readonly role: string;
  readonly database: string;
  readonly there: boolean;
}

function isNotAllowed(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === '42501';
}

function notAllowed(
  schema: string,
  { role, database, there }: FoundStore,
  cause: unknown,
): ChangeoverError {
  const quoted = `"${role.replaceAll('"', '""')}"`;
  const help = there
    ? `It is another role's, and may be an earlier release's: run "changeover status" of this release once with the URL of the role that owns it, and ` +
      `let that one grant this one all on the schema, its tables and its sequences (docs/fleet.md, "Rights")`
    : `Let an administrator type in that database: create schema ${schema} authorization ${quoted}`;
  return new ChangeoverError(
    'STORE_NOT_ALLOWED',
    `The role ${quoted} has no right to ${there ? 'use' : 'make'} the shared store, the schema ${schema} in the database ${database} (${String((cause as Error).message)}). ${help}.`,
    { cause },
  );
}

/** @throws {RangeError} for what is no plain name. */
export function checkSchema(schema: string): void {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return;
  throw new RangeError(
    `The store's schema is ${JSON.stringify(schema)}: use a-z, 0-9 and "_", at most 63.`,
  );
}
