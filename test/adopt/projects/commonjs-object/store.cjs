'use strict'

const { DatabaseSync } = require('node:sqlite')

const database = new DatabaseSync(process.env.DB_FILE || 'store.sqlite')
database.exec('create table if not exists pair (name text primary key, value text)')

function get (name) {
  const row = database.prepare('SELECT value FROM pair WHERE name = ?').get(name)
  return row && row.value
}

function put (name, value) {
  database.prepare('INSERT OR REPLACE INTO pair VALUES (?, ?)').run(name, value)
}

module.exports = { get, put, all: () => { return database.prepare('SELECT * FROM pair').all() } }
