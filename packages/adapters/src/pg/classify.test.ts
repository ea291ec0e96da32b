import { expect, test } from '@jest/globals';
import type { Logger } from '@changeover/bridge';
import { silentLogger } from '@changeover/core';
import { classifierOver } from './classify.ts';
import type { PooledConnections } from './pooled-connections.ts';

/** Connections that can't be had, of a handle that is in use or ending. */
async function warningsWhile(isEnding: boolean): Promise<number> {
  let warnings = 0;
  const logger: Logger = { ...silentLogger, warn: () => (warnings += 1) };
  const connections: Partial<PooledConnections> = {
    ask: () => Promise.reject(new Error('there is no connection')),
    isUnavailable: () => true,
    isEnding,
  };
  const classifier = classifierOver(connections as PooledConnections, [], () => logger);
  for (const sql of ['select a from t', 'select b from t']) await classifier.learn(sql);
  await classifier.close();
  return warnings;
}

test('that the catalogue can not be asked is said once, and not of a handle that is ended meanwhile', async () => {
  expect(await warningsWhile(false)).toBe(1);
  expect(await warningsWhile(true)).toBe(0);
});
