import pg from 'pg';

/** A class of clients that answer `wrong` where the column `text` is `right`. */
export function lyingClient(right: string, wrong: string): typeof pg.Client {
  class Lying extends pg.Client {}
  const query: unknown = Reflect.get(pg.Client.prototype, 'query');
  Object.assign(Lying.prototype, {
    async query(this: pg.Client, ...args: never) {
      const result = (await Reflect.apply(
        query as (...args: never) => unknown,
        this,
        args,
      )) as pg.QueryResult;
      for (const row of result.rows as { text?: string }[])
        if (row.text === right) row.text = wrong;
      return result;
    },
  });
  return Lying;
}
