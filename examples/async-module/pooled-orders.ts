import pg from 'pg';
import type { Order } from './orders.ts';

/** The same functions over a pool. */
export interface PooledOrders {
  place(customer: string, item: string): Promise<number>;
  ordersOf(customer: string): Promise<Order[]>;
  countOrders(): Promise<number>;
  close(): Promise<void>;
}

/** Makes the pool; its connections are made when they are needed. */
export function createPooledOrders(connectionString: string | undefined): PooledOrders {
  const pool = new pg.Pool({ connectionString, max: 5 });
  // An idle connection that breaks is replaced; without a listener it would end the program.
  pool.on('error', () => undefined);
  return {
    async place(customer, item) {
      const { rows } = await pool.query<{ id: number }>(
        'insert into example_orders (customer, item) values ($1, $2) returning id',
        [customer, item],
      );
      return rows[0]?.id ?? 0;
    },
    async ordersOf(customer) {
      const { rows } = await pool.query<Order>(
        'select * from example_orders where customer = $1 order by id desc',
        [customer],
      );
      return rows;
    },
    async countOrders() {
      const { rows } = await pool.query<{ n: number }>(
        'select count(*)::int as n from example_orders',
      );
      return rows[0]?.n ?? 0;
    },
    close: () => pool.end(),
  };
}
