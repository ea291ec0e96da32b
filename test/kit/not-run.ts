import { expect, test } from '@jest/globals';

/**
 * Stands in a test file for tests that need a program which the machine has not: it says so, and how many they are.
 *
 * @param titles of the tests that are not run.
 */
export function notRun(program: string, titles: readonly string[]): void {
  const count = titles.length;
  test(`${String(count)} tests were not run: ${program} is not installed here`, () => {
    process.stderr.write(
      `${String(count)} tests were not run for want of ${program}:\n${titles.map((title) => `  ${title}\n`).join('')}`,
    );
    expect(count).toBeGreaterThan(0);
  });
}
