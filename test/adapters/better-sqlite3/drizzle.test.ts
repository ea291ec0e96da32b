import { afterEach, expect, test } from '@jest/globals';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import type { Stage } from 'changeover';
import { type BridgedHandle, bridgedHandle } from './bridged-handle.ts';

const notes = sqliteTable('note', {
  id: integer('id').primaryKey(),
  text: text('text').notNull(),
  done: integer('done', { mode: 'boolean' }).notNull().default(false),
});

let bridged: BridgedHandle | undefined;
afterEach(async () => {
  await bridged?.close();
});

test('Drizzle reads, writes and keeps transactions over the adapter, at each stage and back', async () => {
  bridged = bridgedHandle({
    schema:
      'create table note (id integer primary key, text text not null, done integer not null default 0)',
  });
  const orm = drizzle(bridged.db);
  const way: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled', 'reverse', 'legacy'];
  for (const [at, stage] of way.entries()) {
    bridged.to(stage);
    const [added] = orm
      .insert(notes)
      .values({ text: `at ${stage}` })
      .returning()
      .all();
    expect(added).toEqual({ id: at + 1, text: `at ${stage}`, done: false });
    expect(
      orm
        .update(notes)
        .set({ done: true })
        .where(eq(notes.id, at + 1))
        .run().changes,
    ).toBe(1);
    expect(
      orm
        .select()
        .from(notes)
        .where(eq(notes.id, at + 1))
        .get()?.done,
    ).toBe(true);
    expect(() =>
      orm.transaction((transaction) => {
        transaction.insert(notes).values({ text: 'gone' }).run();
        expect(() =>
          transaction.transaction((inner) => {
            inner.insert(notes).values({ text: 'inner' }).run();
            inner.rollback();
          }),
        ).toThrow();
        expect(transaction.select().from(notes).all()).toHaveLength(at + 2);
        transaction.rollback();
      }),
    ).toThrow();
    expect(orm.get<{ n: number }>(sql`select count(*) as n from note`)).toEqual({ n: at + 1 });
    // Statements are classified in the background; what is read from now on is compared.
    await bridged.learned();
    orm.select().from(notes).all();
    await bridged.bridge.idle();
  }
  const { match, mismatch, calls } = bridged.bridge.recorder.summary().totals;
  expect(mismatch).toBe(0);
  expect(match).toBeGreaterThanOrEqual(3);
  expect(calls).toBeGreaterThan(40);
});
