import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { db } from './database.ts';

/** The program: orders over HTTP, on one client. It knows of no bridge. */
export const application: Server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    response.writeHead(500).end(String(error));
  });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const item = searchParams.get('item') ?? '';
  if (request.method === 'POST' && pathname === '/orders') {
    send(response, await order(item));
    return;
  }
  const sql = 'select item, sold, stock from changeover_example_items order by item';
  send(response, (await db.query(sql)).rows);
}

/** BEGIN and COMMIT as statements of the one client: requests that order at the same time must not mix. */
async function order(item: string): Promise<unknown> {
  await db.query('BEGIN');
  try {
    const left = await db.query<{ stock: number }>(
      'select stock from changeover_example_items where item = $1',
      [item],
    );
    const stock = left.rows[0]?.stock ?? 0;
    if (stock < 1) throw new RangeError(`there is no ${item} left`);
    await db.query(
      'update changeover_example_items set stock = $2, sold = sold + 1 where item = $1',
      [item, stock - 1],
    );
    await db.query('COMMIT');
    return { item, stock: stock - 1 };
  } catch (error) {
    await db.query('ROLLBACK');
    return { error: String(error) };
  }
}

function send(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
