import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { walkStages } from '../walk-stages.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-handle-example-'));
process.env['NOTES_FILE'] = join(folder, 'notes.db');
const { db } = await import('./database.ts');

try {
  let added = 0;
  await walkStages(db, async () => {
    // After the walk has said where the flags are: the bridge reads them at its first statement.
    const { add, countNotes, find } = await import('./notes.ts');
    added += 1;
    add(`note ${String(added)}`, ['all', 'odd'].slice(0, 1 + (added % 2)));
    // What is given up leaves nothing, in the same tick.
    assert.throws(() => {
      add('half', ['all', '']);
    }, new RangeError('a tag has no name'));
    assert.equal(countNotes(), added);
    assert.equal(find('all').length, added);
    assert.equal(find('odd').length, Math.ceil(added / 2));
    return `${String(added)} notes`;
  });
} finally {
  db.close();
  rmSync(folder, { recursive: true, force: true });
}
