import pg from 'pg';

let connecting: Promise<pg.Client> | undefined;

/** One client for the whole program, made when it is first needed. */
export function getClient(): Promise<pg.Client> {
  connecting ??= open();
  return connecting;
}

async function open(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  return client;
}

export async function closeClient(): Promise<void> {
  if (connecting) await (await connecting).end();
  connecting = undefined;
}
