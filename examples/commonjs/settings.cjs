'use strict';

const { DatabaseSync } = require('node:sqlite');

/** The singleton as CommonJS makes one: whoever requires this module gets the same object. */
function openSettings(file, options = {}) {
  const database = new DatabaseSync(file, options);
  return {
    get(name, done) {
      setImmediate(() => {
        try {
          const row = database.prepare('select value from setting where name = ?').get(name);
          done(null, row?.value);
        } catch (error) {
          done(error);
        }
      });
    },
    set(name, value, done) {
      setImmediate(() => {
        try {
          database
            .prepare('insert or replace into setting (name, value) values (?, ?)')
            .run(name, value);
          done(null);
        } catch (error) {
          done(error);
        }
      });
    },
    all() {
      return database.prepare('select name, value from setting').all();
    },
    create() {
      database.exec('create table if not exists setting (name text primary key, value text)');
    },
    close() {
      database.close();
    },
  };
}

module.exports = { openSettings };
