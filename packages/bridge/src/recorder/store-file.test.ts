import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValue, inTransaction, isBusy, openStoreFile, storeErrorCode } from './store-file.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-store-file-'));
  path = join(folder, 'store.sqlite');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('the file of the store', () => {
  test('is readable for its owner alone', () => {
    openStoreFile(path).close();
    expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
  });

  test('keeps the locks of one connection when this process opens another', () => {
    const holder = openStoreFile(path);
    holder.exec('pragma locking_mode = exclusive; create table counted (n integer)');
    expect(() => openStoreFile(path)).toThrow('locked');
    const other = spawnSync(process.execPath, [
      '--no-warnings',
      '-e',
      "new (require('node:sqlite').DatabaseSync)(process.argv[1]).exec('insert into counted values (1)')",
      path,
    ]);
    expect(other.stderr.toString()).toMatch('database is locked');
    holder.close();
  });

  test('tells that another holds it, at once', () => {
    const [holder, other] = [openStoreFile(path), openStoreFile(path)];
    try {
      inTransaction(holder, 'immediate', () => {
        let thrown: unknown;
        try {
          inTransaction(other, 'immediate', () => undefined);
        } catch (error) {
          thrown = error;
        }
        expect(isBusy(thrown)).toBe(true);
        expect(storeErrorCode(thrown)).toBe('SQLITE_BUSY');
      });
    } finally {
      holder.close();
      other.close();
    }
  });

  test('takes nothing of a transaction that throws', () => {
    const database = openStoreFile(path);
    try {
      database.exec('create table counted (n integer)');
      expect(() =>
        inTransaction(database, 'immediate', () => {
          database.exec('insert into counted values (1)');
          throw new Error('no');
        }),
      ).toThrow('no');
      expect(firstValue(database, 'select count(*) from counted')).toBe(0);
    } finally {
      database.close();
    }
  });
});
