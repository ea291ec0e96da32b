import { describe, expect, test } from '@jest/globals';
import { prepareStore, storeVersion } from './fleet-schema.ts';

const deadlock = Object.assign(new Error('deadlock detected'), { code: '40P01' });

/** A server on which so many tries to bring a store forward end in a deadlock. */
function serverOf(deadlocks: number): {
  query: Parameters<typeof prepareStore>[0];
  tries: () => number;
} {
  let tries = 0;
  let version = storeVersion - 1;
  return {
    tries: () => tries,
    query: (text) => {
      if (text.startsWith('select version')) return Promise.resolve({ rows: [{ version }] });
      if (!text.includes('create table'))
        return Promise.resolve({ rows: [{ role: 'app', database: 'db', there: true }] });
      tries += 1;
      if (tries <= deadlocks) return Promise.reject(deadlock);
      version = storeVersion;
      return Promise.resolve({ rows: [] });
    },
  };
}

describe('bringing a store forward', () => {
  test('is tried again after a deadlock with a program that uses it', async () => {
    const server = serverOf(2);
    await prepareStore(server.query, 'changeover');
    expect(server.tries()).toBe(3);
  });

  test('is given up with the error where it comes again and again', async () => {
    const server = serverOf(100);
    await expect(prepareStore(server.query, 'changeover')).rejects.toBe(deadlock);
    expect(server.tries()).toBe(5);
  });
});
