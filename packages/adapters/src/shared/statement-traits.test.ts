import { afterAll, expect, test } from '@jest/globals';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import { traitsOf } from './statement-traits.ts';

const classifier = createSqliteClassifier({ readSchema: () => ['create table note (id, text)'] });
afterAll(() => classifier.close());

test.each([
  ['select id from note', { reads: true, acts: false, leaves: 'nothing' }],
  ['select last_insert_rowid()', { reads: false, readsLastWrite: true }],
  ['insert into note values (1, 2)', { acts: true, changesSchema: false, mayControl: false }],
  ['create table other (id)', { changesSchema: true }],
  ['begin', { begins: true, ends: false, control: 'begin', mayControl: true }],
  ['commit', { begins: false, ends: true, mayControl: true }],
  ['create temp table t (id)', { leaves: 'temporary objects', staysPut: true }],
  ['pragma journal_mode = wal', { needsFileAlone: true, reads: false }],
  ['select', { known: true, reads: false, unclear: true, changesSchema: true }],
])('of "%s" adapters know what matters', async (sql, traits) => {
  expect(traitsOf(await classifier.learn(sql))).toMatchObject(traits);
});

test('of one text the traits are made once, and of one that is not known yet nothing is promised', async () => {
  const statement = await classifier.learn('select 1');
  expect(traitsOf(statement)).toBe(traitsOf(statement));
  expect(traitsOf('pending')).toMatchObject({ known: false, reads: false, acts: true });
});
