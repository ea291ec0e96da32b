import type { Operation } from './statement-bridge.ts';

/** A method of the driver's that executes a statement. */
export type Way =
  | 'run'
  | 'runAndRead'
  | 'runAndReadAll'
  | 'runAndReadUntil'
  | 'stream'
  | 'streamAndRead'
  | 'streamAndReadAll'
  | 'streamAndReadUntil'
  | 'start'
  | 'startThenRead'
  | 'startThenReadAll'
  | 'startThenReadUntil'
  | 'startStream'
  | 'startStreamThenRead'
  | 'startStreamThenReadAll'
  | 'startStreamThenReadUntil';

/** By the operation that they are counted as. */
export const ways: Readonly<Record<Way, Operation>> = {
  run: 'run',
  runAndRead: 'run',
  runAndReadAll: 'run',
  runAndReadUntil: 'run',
  stream: 'stream',
  streamAndRead: 'stream',
  streamAndReadAll: 'run',
  streamAndReadUntil: 'stream',
  start: 'start',
  startThenRead: 'run',
  startThenReadAll: 'run',
  startThenReadUntil: 'run',
  startStream: 'start',
  startStreamThenRead: 'stream',
  startStreamThenReadAll: 'run',
  startStreamThenReadUntil: 'stream',
};

/** What the answer of a way goes on needing of its connection. */
export function openedBy(way: Way): 'nothing' | 'stream' | 'pending' {
  const operation = ways[way];
  if (operation === 'run') return 'nothing';
  return operation === 'start' ? 'pending' : 'stream';
}
