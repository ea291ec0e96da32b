import { db } from './database.ts';

/** The program: sales, and what is asked of them, on one connection. It knows of no bridge. */
export async function createTables(): Promise<void> {
  await db.run(
    'create table if not exists sale (item varchar, amount decimal(9, 2), tags varchar[])',
  );
}

/** Adds sales, all of them or none. */
export async function add(item: string, amounts: readonly number[]): Promise<void> {
  await db.run('BEGIN');
  try {
    const insert = await db.prepare('insert into sale values ($1, $2, [$1, $3])');
    for (const amount of amounts) {
      if (amount < 0) throw new RangeError('a sale has no price');
      insert.bindVarchar(1, item);
      insert.bindDouble(2, amount);
      insert.bindVarchar(3, amount > 10 ? 'large' : 'small');
      await insert.run();
    }
    await db.run('COMMIT');
  } catch (error) {
    await db.run('ROLLBACK');
    throw error;
  }
}

/** Adds sales by an appender. */
export async function append(item: string, count: number): Promise<void> {
  const appender = await db.createAppender('sale');
  for (let at = 0; at < count; at += 1) {
    appender.appendVarchar(item);
    appender.appendDouble(1);
    appender.appendDefault();
    appender.endRow();
  }
  appender.closeSync();
}

export interface Total {
  readonly item: string;
  readonly sales: number;
  readonly large: number;
}

export async function totals(): Promise<readonly Total[]> {
  const reader = await db.runAndReadAll(
    `select item, count(*)::int as sales, count(*) filter (list_contains(tags, 'large'))::int as large
     from sale group by item order by item`,
  );
  return reader.getRowObjectsJS() as unknown as readonly Total[];
}
