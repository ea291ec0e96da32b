import { closeClient, getClient } from './client.ts';
const client = await getClient();
console.log(JSON.stringify((await client.query('select 1 + 1 as two')).rows));
await closeClient();
