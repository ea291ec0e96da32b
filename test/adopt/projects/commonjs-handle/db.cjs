const Database = require("better-sqlite3");

let db;
exports.getDb = function () {
	return db ??= new Database(process.env.DB_FILE);
};
