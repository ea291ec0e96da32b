import pg from 'pg';

/** An order, as it was placed. */
export interface Order {
  readonly id: number;
  readonly customer: string;
  readonly item: string;
}

let connected: Promise<pg.Client> | undefined;

/** The singleton is the module itself: one client, connected when it is first needed, for the whole program. */
function client(): Promise<pg.Client> {
  return (connected ??= connect());
}

async function connect(): Promise<pg.Client> {
  const made = new pg.Client({ connectionString: process.env['DATABASE_URL'] });
  await made.connect();
  await made.query(
    'create table if not exists example_orders (id serial primary key, customer text not null, item text not null)',
  );
  return made;
}

/** Places an order and resolves to its number. */
export async function place(customer: string, item: string): Promise<number> {
  const { rows } = await (
    await client()
  ).query<{ id: number }>(
    'insert into example_orders (customer, item) values ($1, $2) returning id',
    [customer, item],
  );
  return rows[0]?.id ?? 0;
}

/** A customer's orders, the newest first. */
export async function ordersOf(customer: string): Promise<Order[]> {
  const { rows } = await (
    await client()
  ).query<Order>('select * from example_orders where customer = $1 order by id desc', [customer]);
  return rows;
}

/** How many orders there are. */
export async function countOrders(): Promise<number> {
  const { rows } = await (
    await client()
  ).query<{ n: number }>('select count(*)::int as n from example_orders');
  return rows[0]?.n ?? 0;
}

/** Ends the connection, where there is one. */
export async function close(): Promise<void> {
  const made = connected;
  connected = undefined;
  await (await made)?.end();
}
