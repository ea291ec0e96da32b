const { DatabaseSync } = require('node:sqlite');

const database = new DatabaseSync(process.env.DB_FILE || 'queue.sqlite');
database.exec('create table if not exists job (id integer primary key, name text)');

exports.limit = 3;
exports.add = function (name, done) {
  setImmediate(() => done(null, database.prepare('insert into job (name) values (?)').run(name).changes));
};
exports.find = (name, callback) => {
  const row = database.prepare(`select name from job where name = ?`).get(name);
  setImmediate(() => callback(null, row));
};
