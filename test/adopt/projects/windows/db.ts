// The one connection.
import Database from "better-sqlite3";

const db = new Database(process.env["DB_FILE"] ?? "app.sqlite" );   // odd   spacing

export { db as default,  db as connection };
