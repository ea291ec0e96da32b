import { describe, expect, test } from '@jest/globals';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, serial, text } from 'drizzle-orm/pg-core';
import { bridgedClients, stages } from './kit.ts';

const clients = bridgedClients('adapter_pg_drizzle', [
  'create table books(id serial primary key, title text not null, pages integer)',
]);

const books = pgTable('books', {
  id: serial('id').primaryKey(),
  title: text('title').notNull(),
  pages: integer('pages'),
});

describe.each(stages)('Drizzle at %s', (stage) => {
  test('inserts, selects, updates, transactions and their rollback', async () => {
    const { db } = await clients.make(stage);
    const orm = drizzle(db);
    const [book] = await orm.insert(books).values({ title: 'Stalker', pages: 200 }).returning();
    const id = book?.id ?? 0;
    expect(await orm.select().from(books).where(eq(books.id, id))).toEqual([book]);
    await orm.update(books).set({ pages: 201 }).where(eq(books.id, id));
    await expect(
      orm.transaction(async (tx) => {
        await tx.delete(books).where(eq(books.id, id));
        expect(await tx.select().from(books).where(eq(books.id, id))).toEqual([]);
        throw new Error('given up');
      }),
    ).rejects.toThrow('given up');
    expect(await orm.select({ pages: books.pages }).from(books).where(eq(books.id, id))).toEqual([
      { pages: 201 },
    ]);
    await orm.transaction(async (tx) => {
      await tx.transaction((inner) => inner.delete(books).where(eq(books.id, id)));
    });
    expect(await orm.select().from(books)).toEqual([]);
  });
});
