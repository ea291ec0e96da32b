const pg = require("pg");

// Order numbers and counts are bigint, which pg gives as text if nobody says otherwise.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const db = new pg.Client(process.env.DATABASE_URL);

module.exports = db;
