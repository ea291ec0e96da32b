const db = require('./db.cjs');
db.exec('create table item (id integer primary key, name text)');
db.prepare('insert into item (name) values (?)').run('film');
console.log(JSON.stringify(db.prepare('select name from item').all()));
db.close();
