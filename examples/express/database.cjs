'use strict';

const pg = require('pg');
const { bridgeClient } = require('changeover/pg');
const { pool } = require('./pool.cjs');

/** What the program requires. It was `new pg.Client(process.env.DATABASE_URL)`. */
const db = bridgeClient(new pg.Client(process.env.DATABASE_URL), {
  name: 'orders',
  pooled: () => pool,
});

// Order numbers and counts are of PostgreSQL's type bigint, which pg gives as text if nobody says otherwise.
db.setTypeParser(pg.types.builtins.INT8, Number);

module.exports = db;
