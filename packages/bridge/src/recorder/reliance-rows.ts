import type { RelianceEvidence, RelianceSite } from './reliance-book.ts';
import type { StoreDatabase, StoreValue } from './store-file.ts';

/** What the store has of reliance. */
export const relianceSchema: string = `
  create table reliance (
    writer text not null, backend text not null, dataset text not null, guarantee text not null, use text not null,
    count integer not null, sites text not null, kept integer not null,
    first_at integer not null, last_at integer not null,
    primary key (writer, backend, dataset, guarantee, use)
  ) without rowid;
`;

/** The columns of a row. */
export const relianceColumns: readonly string[] = [
  'writer',
  'backend',
  'dataset',
  'guarantee',
  'use',
  'count',
  'sites',
  'kept',
  'first_at',
  'last_at',
];

/** In the order of the columns, after the writer. */
export function relianceValues(row: RelianceEvidence): StoreValue[] {
  const { backend, key, guarantee, use = '', count, sites, kept, firstSeen, lastSeen } = row;
  const text = JSON.stringify(sites);
  return [backend, key, guarantee, use, count, text, kept ? 1 : 0, firstSeen, lastSeen];
}

interface StoredReliance {
  writer: string;
  backend: string;
  dataset: string;
  guarantee: string;
  use: string;
  count: number;
  sites: string;
  kept: number;
  first_at: number;
  last_at: number;
}

/** Adds all that is stored of reliance but what `ownWriter` stored, which it knows better. */
export function readReliance(
  database: StoreDatabase,
  add: (row: RelianceEvidence) => void,
  ownWriter: string | undefined,
): void {
  const rows = database.prepare('select * from reliance').iterate() as Iterable<StoredReliance>;
  for (const row of rows) {
    if (row.writer === ownWriter) continue;
    add({
      backend: row.backend,
      key: row.dataset,
      guarantee: row.guarantee as RelianceEvidence['guarantee'],
      use: row.use === '' ? undefined : (row.use as RelianceEvidence['use']),
      count: row.count,
      sites: JSON.parse(row.sites) as RelianceSite[],
      kept: row.kept === 1,
      firstSeen: row.first_at,
      lastSeen: row.last_at,
    });
  }
}
