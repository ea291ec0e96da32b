import type { Operation } from './statement-bridge.ts';

/** The driver's methods that execute a statement, by the operation that they are counted as. */
export const ways = {
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
} as const satisfies Readonly<Record<string, Operation>>;

/** One of them. */
export type Way = keyof typeof ways;

/** What the answer of a way goes on needing of its connection. */
export function openedBy(way: Way): 'nothing' | 'stream' | 'pending' {
  const operation = ways[way];
  if (operation === 'run') return 'nothing';
  return operation === 'start' ? 'pending' : 'stream';
}
