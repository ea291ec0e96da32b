'use strict';

const pg = require('pg');

const types = new pg.TypeOverrides();

/** The pool that takes the client's place. */
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4, types });

/** What was forgotten: the client's parser. */
function mend() {
  types.setTypeParser(pg.types.builtins.INT8, Number);
}

module.exports = { pool, mend };
