import knex, { type Knex } from 'knex';

const config: Knex.Config = {
  client: 'better-sqlite3',
  connection: { filename: process.env['DB_FILE'] ?? 'x.sqlite' },
  useNullAsDefault: true,
};

export default knex(config);
