import { DuckDBInstance } from '@duckdb/node-api';

const instance = await DuckDBInstance.create(':memory:');
export const connection = await instance.connect();
await connection.run('create table if not exists item (id integer, name varchar)');
