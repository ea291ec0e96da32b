import { ChangeoverError } from '@changeover/core';
import { exchangeFunction } from './fleet-exchange.ts';
import { foldFunction, hourTable } from './fleet-hours.ts';
import { minuteTable, minutesFunction } from './fleet-minutes.ts';
import { readFunction } from './fleet-read.ts';
import { repeatTable } from './fleet-repeats.ts';
import { sumFunctions } from './fleet-sums.ts';

/** What this program makes of a store. A later version only adds tables, columns, functions of a new name, and to those that are there
 * fields that a message need not have, so that it and the one before share a store. */
export const storeVersion = 7;

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
alter table ${schema}.writer add column if not exists message bigint, add column if not exists open_from int;
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
create index if not exists cell_of_key on ${schema}.cell (dataset, backend);
create index if not exists cell_of_hour on ${schema}.cell (hour, dataset, backend) where not folded and left(writer, 1) <> '(';
create index if not exists shape_of_key on ${schema}.shape (dataset, backend);
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
${hourTable(schema)}
${exchangeFunction(schema)}
${firstReadFunction(schema)}
${readFunction(schema)}
${minutesFunction(schema)}
${sumFunctions(schema)}
${foldFunction(schema)}
insert into ${schema}.store (version) values (${String(storeVersion)})
  on conflict (single) do update set version = greatest(store.version, excluded.version);
`;
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

/** A deadlock is over after a second, and what another process has brought forward meanwhile needs nothing more. */
const mostTries = 5;

type Query = (text: string) => Promise<{ readonly rows: readonly unknown[] }>;

/** Makes the schema, or brings an earlier one forward; one of a later version is used as it is, since versions only add.
 *
 * @throws {ChangeoverError} with the code `STORE_NOT_ALLOWED` where the role lacks rights. @throws the driver's error. */
export async function prepareStore(query: Query, schema: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const found = await findStore(query, schema);
    try {
      await bringForward(query, schema, found.there);
      return;
    } catch (error) {
      if (isNotAllowed(error)) throw notAllowed(schema, found, error);
      // Beside programs that add up rows of several tables, which take these in an order of their own. Nothing was changed.
      if (!isDeadlock(error) || tries === mostTries) throw error;
    }
  }
}

async function findStore(query: Query, schema: string): Promise<FoundStore> {
  // Whoever may not make a schema may use one that is there. Asked of the catalogue: `to_regclass` would remember that there is
  // none, and the schema that another process makes meanwhile would be made twice.
  const { rows } = await query(
    `select current_user::text as role, current_database()::text as database, exists (
       select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = '${schema}' and c.relname = 'store') as there`,
  );
  return rows[0] as FoundStore;
}

async function bringForward(query: Query, schema: string, isThere: boolean): Promise<void> {
  if (isThere) {
    const { rows } = await query(`select version from ${schema}.store`);
    if (Number((rows[0] as { version: unknown } | undefined)?.version) >= storeVersion) return;
  }
  // By the time: in a store that was dropped and made again a line must not have the number of one that processes have heard of,
  // which they would take for the same.
  await query(storeSchema(schema, Date.now()));
}

function isDeadlock(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === '40P01';
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
    `The role ${quoted} has no right to ${there ? 'use' : 'make'} the shared store, the schema ${schema} in the database ${database} (${(cause as Error).message}). ${help}.`,
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
