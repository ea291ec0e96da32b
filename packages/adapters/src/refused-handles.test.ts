import { expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import pg from 'pg';
import { bridgeDatabase } from './better-sqlite3/index.ts';
import { bridgeConnection } from './duckdb/index.ts';
import { bridgeClient, bridgePool } from './pg/index.ts';

const none = undefined as never;

/** What is handed to an adapter by mistake, and what is said of it. */
const refused: readonly (readonly [what: string, make: () => unknown, said: string])[] = [
  ['no client', () => bridgeClient(none, { name: 'db' }), 'is no client of pg'],
  [
    'a pool as a client',
    () => bridgeClient(new pg.Pool() as never, { name: 'db' }),
    'is a pool of pg: use bridgePool',
  ],
  ['no pool', () => bridgePool(none, { name: 'db' }), 'is no pool of pg'],
  [
    'a client as a pool',
    () => bridgePool(new pg.Client() as never, { name: 'db' }),
    'is a client of pg: use bridgeClient',
  ],
  [
    'a promise of a pool',
    () => bridgePool(new pg.Pool(), { name: 'db', pooled: () => Promise.resolve() as never }),
    'Option pooled must give a pg.Pool at once, but gave Promise',
  ],
  [
    'a time-out as a text',
    () => bridgeClient(new pg.Client(), { name: 'db', max: '5' as never }),
    "must be a whole number above 0, but is '5'",
  ],
  [
    'a file as a database',
    () => bridgeDatabase('notes.db' as never, { name: 'db' }),
    'is no Database of better-sqlite3',
  ],
  [
    'a file as its pooled leg',
    () => bridgeDatabase(new Database(':memory:'), { name: 'db', pooled: 'notes.db' as never }),
    "Option pooled must be a function, such as (file) => new Database(file), but is 'notes.db'",
  ],
  [
    'no connection',
    () => bridgeConnection(none, { name: 'db', pooled: none }),
    'Option pooled must be a function that opens',
  ],
];

test.each(refused)('%s is refused with what to do', (_what, make, said) => {
  expect(make).toThrow(said);
});
