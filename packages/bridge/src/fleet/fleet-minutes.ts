import type { PoolClient } from 'pg';
import { keptMinutes, type MinuteRow, type StoredMinute } from '../recorder/minute-rows.ts';
import type { Steps } from '../steps.ts';
import { foldedWriter } from './fleet-read.ts';

/** A process may yet write to a minute when it is over: it goes through its counts some at a time, and waits for its bytes. */
const minutesTold = 3;
/** So many rows of others wait before somebody adds them up: a few processes need no help. */
const rowsLetWait = 200;
/** Added up in one go, well within what a statement may take. */
const maxFoldedRows = 20_000;

const nowMinute = 'floor(extract(epoch from clock_timestamp()) / 60)::int';
/** The start of the name under which rows of several processes are added up; the rest of it makes each such row one of its own. */
const isFolded = `left(writer, ${String(foldedWriter.length)}) = '${foldedWriter}'`;

/** What processes counted by key and minute, since version 5. The minute comes first, so that the old ones are together. */
export function minuteTable(schema: string): string {
  return `
create table if not exists ${schema}.minute (
  minute int not null, writer text not null, backend text not null, dataset text not null,
  calls bigint not null, failed bigint not null, compared bigint not null, mismatch bigint not null,
  legacy text not null, pooled text not null, primary key (minute, writer, backend, dataset)
);
create index if not exists minute_told on ${schema}.minute (minute) where not ${isFolded};`;
}

/** Takes a message's minutes, and lets go some of the old ones for each: by the server's clock, which is one for all. What comes from a
 * clock that is ahead is no minute yet. */
export const exchangeMinutes: string = `
  if p ? 'u' then
    insert into minute (writer, minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled)
      select w, (r->>0)::int, r->>1, r->>2, (r->>3)::bigint, (r->>4)::bigint, (r->>5)::bigint, (r->>6)::bigint, r->>7, r->>8
      from jsonb_array_elements(p->'u') r where (r->>0)::int <= ${nowMinute} + 1
      on conflict (minute, writer, backend, dataset) do update set calls = excluded.calls, failed = excluded.failed,
        compared = excluded.compared, mismatch = excluded.mismatch, legacy = excluded.legacy, pooled = excluded.pooled;
    delete from minute where ctid = any (array(
      select ctid from minute where minute < ${nowMinute} - ${String(keptMinutes)}
      limit 2 * jsonb_array_length(p->'u') for update skip locked));
  end if;`;

/** Whether so many rows of others wait to be added up that somebody should. */
export const minutesWait: string = `exists (
      select from minute where not ${isFolded} and minute < ${nowMinute} - ${String(minutesTold)} and writer <> w
      offset ${String(rowsLetWait)})`;

/** The rows of \`m\` with those of all processes added up, by minute and key. Most were added up before: of those there is nothing to do. */
const summed = `
  found as materialized (
    select *, count(*) over (partition by minute, backend, dataset) > 1 as is_part from m),
  counted as (
    select minute, backend, dataset, sum(calls) as calls, sum(failed) as failed, sum(compared) as compared,
      sum(mismatch) as mismatch from found where is_part group by minute, backend, dataset),
  bucket as (
    select minute, backend, dataset, leg, split_part(pair, ':', 1)::int as bucket, sum(split_part(pair, ':', 2)::bigint) as total
    from found, lateral (values ('legacy', legacy), ('pooled', pooled)) l(leg, latency), unnest(string_to_array(latency, ' ')) pair
    where is_part group by minute, backend, dataset, leg, split_part(pair, ':', 1)::int),
  latency as (
    select minute, backend, dataset, leg, string_agg(bucket || ':' || total, ' ' order by bucket) as latency
    from bucket group by minute, backend, dataset, leg),
  sums as (
    select c.*, coalesce(l.latency, '') as legacy, coalesce(p.latency, '') as pooled from counted c
    left join latency l on (l.minute, l.backend, l.dataset, l.leg) = (c.minute, c.backend, c.dataset, 'legacy')
    left join latency p on (p.minute, p.backend, p.dataset, p.leg) = (c.minute, c.backend, c.dataset, 'pooled')
    union all select minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled from found where not is_part)`;

const columns = 'minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled';

/** The minutes from a given one on, of all processes together, the oldest first. */
export function minutesFunction(schema: string): string {
  return `
create or replace function ${schema}.minutes_1(first int) returns json language sql stable
  set search_path = ${schema}, pg_catalog as $$
  with m as materialized (select * from minute where minute >= first), ${summed}
  select coalesce(json_agg(json_build_array(${columns}) order by minute), '[]') from sums
$$;`;
}

/** The same, a row a minute: what is read at once blocks the reader's event loop. The argument is the first minute. */
export function minutesQuery(schema: string): string {
  return `
  with m as materialized (select * from ${schema}.minute where minute >= $1::int), ${summed}
  ${byMinute}`;
}

/** The same of some keys alone. The second argument is a list of backends and keys. */
export function recentMinutesQuery(schema: string): string {
  return `
  with m as materialized (
    select minute.* from ${schema}.minute join jsonb_array_elements($2::jsonb) asked
      on minute.backend = asked->>0 and minute.dataset = asked->>1
    where minute >= $1::int), ${summed}
  ${byMinute}`;
}

const byMinute = `select json_agg(json_build_array(${columns}))::text rows,
    (select count(*)::int from m where m.minute = sums.minute) added from sums group by minute order by minute`;

/** A row of these. */
export interface MinutesRow {
  /** As JSON. */
  readonly rows: string;
  /** How many were added up for it. */
  readonly added: number;
}

/** What \`minutes_1\` gives, and what is in the rows of the queries. */
export type FleetMinute = readonly [
  minute: number,
  backend: string,
  dataset: string,
  calls: number,
  failed: number,
  compared: number,
  mismatch: number,
  legacy: string,
  pooled: string,
];

/** The rows in the form that the embedded store gives them. */
function storedMinute(row: FleetMinute): StoredMinute {
  const [minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled] = row;
  const counts = { calls, failed, compared, mismatch };
  return { writer: foldedWriter, minute, backend, dataset, ...counts, legacy, pooled };
}

/** What a reader of some keys' minutes gets. */
export interface MinutesReading {
  /** Of all processes together, the oldest first. */
  readonly rows: readonly StoredMinute[];
  /** In characters, at the wire. */
  readonly length: number;
  /** Rows that the server added up for it. */
  readonly added: number;
}

/** Minutes of keys that are parsed in the time of one part of a step. */
const minutesAPart = 20;

/** Parses them, a minute at a step. */
export function* minutesInSteps(found: readonly MinutesRow[]): Steps<MinutesReading> {
  const rows: StoredMinute[] = [];
  let [length, added] = [0, 0];
  for (const minute of found) {
    const tuples = JSON.parse(minute.rows) as FleetMinute[];
    for (const tuple of tuples) rows.push(storedMinute(tuple));
    length += minute.rows.length;
    added += minute.added;
    yield tuples.length / minutesAPart;
  }
  return { rows, length, added };
}

/** A row as a message has it. */
export function minuteMessage(row: MinuteRow): unknown[] {
  const { minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled } = row;
  return [minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled];
}

/** Adds up the rows of minutes to which nobody adds any more, so that what is kept grows with keys and not with processes. */
export async function foldMinutes(client: PoolClient, schema: string): Promise<void> {
  await client.query(
    `with m as (
       delete from ${schema}.minute where (minute, writer, backend, dataset) in (
         select minute, writer, backend, dataset from ${schema}.minute
         where not ${isFolded} and minute < ${nowMinute} - ${String(minutesTold)}
         order by minute limit ${String(maxFoldedRows)})
       returning *), ${summed}
     insert into ${schema}.minute (writer, ${columns})
     select '${foldedWriter}' || pg_current_xact_id()::text, ${columns} from sums`,
  );
  await client.query(
    `delete from ${schema}.minute where minute < ${nowMinute} - ${String(keptMinutes)}`,
  );
}
