const { getDb } = require("./db.cjs");

getDb().exec("create table item (id integer primary key, name text)");
getDb().prepare("insert into item (name) values (?)").run("film");
console.log(JSON.stringify(getDb().prepare("select * from item").get()));
