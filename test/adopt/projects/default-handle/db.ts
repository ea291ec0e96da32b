import Database from "better-sqlite3";

export default new Database(process.env["DB_FILE"] ?? "app.sqlite");
