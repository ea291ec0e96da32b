'use strict';

const assert = require('node:assert/strict');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { promisify } = require('node:util');
const { walkStages } = require('../walk-stages.ts');
const settings = require('./bridge.cjs');

const folder = mkdtempSync(join(tmpdir(), 'changeover-settings-'));
process.env.SETTINGS_FILE = join(folder, 'settings.sqlite');
const get = promisify(settings.get);
const set = promisify(settings.set);

walkStages(settings, async (stage) => {
  settings.create();
  await set('theme', stage);
  assert.equal(await get('theme'), stage);
  await set(stage, 'seen');
  return `${settings.all().length} settings`;
})
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  })
  .finally(async () => {
    await settings.close();
    rmSync(folder, { recursive: true, force: true });
  });
