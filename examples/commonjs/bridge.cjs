'use strict';

const { control, createBridge, legacyOnly, read, write } = require('changeover');
const { openSettings } = require('./settings.cjs');

/** What the program requires in place of its settings. */
module.exports = createBridge({
  name: 'settings',
  legacy: () => openSettings(process.env.SETTINGS_FILE),
  pooled: () => openPooledSettings(process.env.SETTINGS_FILE),
  operations: {
    get: read({ callback: 'last' }),
    set: write({ callback: 'last' }),
    all: read.rows(),
    create: legacyOnly(),
    close: control(),
  },
});

/** Reads take turns on connections that can't write. */
function openPooledSettings(file) {
  const writer = openSettings(file);
  const readers = [1, 2].map(() => openSettings(file));
  let turn = 0;
  const reader = () => readers[(turn = (turn + 1) % readers.length)];
  return {
    get: (name, done) => reader().get(name, done),
    set: (name, value, done) => writer.set(name, value, done),
    all: () => reader().all(),
    close: () => [writer, ...readers].forEach((one) => one.close()),
  };
}
