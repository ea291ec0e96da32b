import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import pg from 'pg';

/**
 * Gives each test of a file a database of its own on the tests' server.
 *
 * @param prefix of its name.
 * @returns its URL while a test runs.
 */
export function ownDatabase(prefix: string): () => string {
  const server = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
  let admin: pg.Client;
  let database = '';
  beforeAll(async () => {
    admin = new pg.Client({ connectionString: server });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
  });
  beforeEach(async () => {
    database = `${prefix}_${randomBytes(6).toString('hex')}`;
    await admin.query(`create database ${database}`);
  });
  afterEach(async () => {
    await admin.query(`drop database ${database} with (force)`);
  });
  return () => {
    const place = new URL(server);
    place.pathname = database;
    return place.href;
  };
}
