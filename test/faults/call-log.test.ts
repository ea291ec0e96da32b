import { expect, test } from '@jest/globals';
import { CallLog } from './call-log.ts';

function answeredLate(lateMs: number, keptWaitingMs: number): string[] {
  const log = new CallLog(250);
  const call = log.begin({
    engine: 'sqlite',
    dataset: 'd',
    operation: 'read',
    tokens: [],
    deadlineMs: 1,
  });
  const untilMs = performance.now() + lateMs;
  while (performance.now() < untilMs) Math.sqrt(untilMs);
  log.keptWaiting(keptWaitingMs);
  log.end(call, undefined);
  log.checkDeadlines();
  return log.problems;
}

test('a call is late by what it took less what the machine kept the process waiting meanwhile', () => {
  expect(answeredLate(300, 0)).toEqual([
    expect.stringMatching(/^read on sqlite outlived its deadline of 1 ms by \d+ ms \(done\)$/),
  ]);
  expect(answeredLate(300, 40)).toHaveLength(1);
  expect(answeredLate(300, 290)).toEqual([]);
});

test('what kept the process waiting before a call excuses nothing of it', () => {
  const log = new CallLog(250);
  log.keptWaiting(10_000);
  const call = log.begin({
    engine: 'sqlite',
    dataset: 'd',
    operation: 'read',
    tokens: [],
    deadlineMs: 1,
  });
  call.endedMs = call.startedMs + 400;
  log.checkDeadlines();
  expect(log.problems).toHaveLength(1);
});
