import { expect, test } from '@jest/globals';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';
import { nodeFlags, run } from '../command/run-changeover.ts';

const examples = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test('there are examples', () => {
  expect(examples).toContain('sync-sqlite');
});

test.each(examples)(
  '%s goes through every stage and back',
  async (name) => {
    const [main = ''] = ['main.ts', 'main.cjs']
      .map((file) => join(root, 'examples', name, file))
      .filter((file) => existsSync(file));
    // The tests' PostgreSQL, so that no example starts one of its own.
    const { code, out, err } = await run(process.execPath, [...nodeFlags, main], {
      DATABASE_URL: process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '',
    });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n').map((line) => line.split(' ')[0])).toEqual(
      expect.arrayContaining(['legacy', 'shadow', 'reverse', 'pooled']),
    );
  },
  120_000,
);
