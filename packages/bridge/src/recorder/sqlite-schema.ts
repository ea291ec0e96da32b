import { countNames } from './counts.ts';
import { keptMinutes, minuteSchema } from './minute-rows.ts';
import { repeatSchema } from './repeat-table.ts';
import { relianceSchema } from './reliance-rows.ts';
import { shapeErrorsSchema, shapeSchema } from './shape-rows.ts';
import { inTransaction, pragmaValue, type StoreDatabase } from './store-file.ts';

/** Counts, samples and events older than this are removed when the store is opened. */
const retentionMs: number = 90 * 24 * 3_600_000;
const hourMs = 3_600_000;

/** What each version of the store added: a store of an earlier one is brought forward when it is opened to write. */
const schemas: readonly string[] = [
  `
  create table writer (
    writer text primary key, run text not null, host text not null, pid integer not null, node text not null,
    started_at integer not null, last_at integer not null, samples_over_limit integer not null
  ) without rowid;
  create table cell (
    writer text not null, part integer not null, hour integer not null,
    backend text not null, dataset text not null, operation text not null, stage text not null,
    ${countNames.map((name) => `"${name}" integer not null`).join(', ')},
    shed text not null, legacy_latency text not null, pooled_latency text not null,
    primary key (writer, part)
  ) without rowid;
  create table sample_group (
    writer text not null, fingerprint text not null, backend text not null, operation text not null,
    verdict text not null, class text, count integer not null, first_at integer not null, last_at integer not null,
    primary key (writer, fingerprint)
  ) without rowid;
  create table sample (
    writer text not null, fingerprint text not null, sequence integer not null, at integer not null,
    dataset text not null, stage text not null, summary text not null, legacy text, pooled text, reason text,
    primary key (writer, fingerprint, sequence)
  ) without rowid;
  create table event (
    writer text not null, sequence integer not null, at integer not null, kind text not null, fields text not null,
    primary key (writer, sequence)
  ) without rowid;
`,
  `
  create table rule_use (
    writer text not null, backend text not null, rule text not null, uses integer not null, failures integer not null,
    primary key (writer, backend, rule)
  ) without rowid;
`,
  `
  alter table cell add column last_at integer;
`,
  `
  alter table cell add column paired text;
`,
  shapeSchema,
  relianceSchema,
  `
  alter table sample_group add column dataset text;
  alter table sample_group add column shape text;
  alter table sample add column call text;
`,
  minuteSchema,
  shapeErrorsSchema + repeatSchema,
];
export const schemaVersion: number = schemas.length;

/** One that this program can read. */
export function isVersion(found: unknown): found is number {
  return typeof found === 'number' && found >= 0 && found <= schemaVersion;
}

/** Brings the file to this version. Old rows go at every opening: a store is made once and used for years.
 *
 * @throws {Error} SQLite's, or one that says that a newer program made the file. */
export function prepareSchema(database: StoreDatabase, nowMs: number): void {
  inTransaction(database, 'immediate', () => {
    // Looked at under the lock: another process may be making it at this moment.
    const found = pragmaValue(database, 'user_version');
    if (isVersion(found)) {
      for (const schema of schemas.slice(found)) database.exec(schema);
      database.exec(`pragma user_version = ${String(schemaVersion)}`);
    } else {
      throw new Error(
        `the comparison store has version ${String(found)}, and this program knows ` +
          `${String(schemaVersion)}: give it another file`,
      );
    }
    removeOld(database, nowMs);
  });
}

function removeOld(database: StoreDatabase, nowMs: number): void {
  const before = nowMs - retentionMs;
  database.prepare('delete from cell where hour < ?').run(Math.floor(before / hourMs));
  database
    .prepare('delete from minute where minute < ?')
    .run(Math.floor(nowMs / 60_000) - keptMinutes);
  // The machine's clock was ahead then: they would be shown as minutes that are yet to come.
  database.prepare('delete from minute where minute > ?').run(Math.floor(nowMs / 60_000) + 1);
  database.prepare('delete from shape where last_at < ?').run(before);
  database.prepare('delete from reliance where last_at < ?').run(before);
  database.prepare('delete from event where at < ?').run(before);
  database.prepare('delete from sample where at < ?').run(before);
  database.prepare('delete from sample_group where last_at < ?').run(before);
  database
    .prepare('delete from rule_use where writer in (select writer from writer where last_at < ?)')
    .run(before);
  database.prepare('delete from writer where last_at < ?').run(before);
}
