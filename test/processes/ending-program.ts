// A program over a bridge that makes some calls, holds a key, and then ends in the way that it is told. It never closes the bridge.
import { bridgeOf, createBridge, read } from 'changeover';
import { keyTarget } from '@changeover/core';

interface Options {
  readonly store: string;
  readonly flags: string;
  readonly calls: number;
  readonly end: 'by itself' | 'process.exit' | 'throw' | 'wait' | 'listen' | 'listen late';
  readonly flushAtExit?: boolean;
}

const { store, flags, calls, end, flushAtExit } = JSON.parse(process.argv[2] ?? '{}') as Options;
const lists = { list: (key: string): Promise<string[]> => Promise.resolve([key]) };
const notes = createBridge({
  name: 'notes',
  legacy: () => lists,
  pooled: () => lists,
  operations: { list: read.rows() },
  key: { list: (name: string) => name },
  storePath: store,
  flagsFile: flags,
  ...(flushAtExit === undefined ? {} : { flushAtExit }),
});

const listen = (): void => {
  process.on('SIGTERM', () => {
    process.stdout.write('heard\n');
    process.exit(3);
  });
};

if (end === 'listen') listen();
for (let at = 0; at < calls; at += 1) await notes.list('a');
if (end === 'listen late') listen();
bridgeOf(notes).ledger.hold('notes', keyTarget('b'), { who: 'program', reason: 'it ends' });
process.exitCode = 7;
if (end === 'process.exit') process.exit(9);
if (end === 'throw') throw new Error('the program failed');
if (end === 'wait' || end.startsWith('listen')) {
  setInterval(() => undefined, 1_000);
  // In the same tick as the last of it, so that nothing is stored by the clock before the signal comes.
  process.stdout.write('ready\n');
}
