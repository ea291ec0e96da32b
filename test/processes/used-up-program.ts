// A program that records while something of the system is used up, and says what it tells and whether all is stored in the end.
import { closeSync, openSync } from 'node:fs';
import { openRecorder, type Logger } from '@changeover/bridge';

interface Options {
  readonly store: string;
  /** `descriptors`: all of them are taken for a while. `size`: files may not grow beyond the limit that the program was given. */
  readonly usedUp: 'descriptors' | 'size';
}

const { store, usedUp } = JSON.parse(process.argv[2] ?? '{}') as Options;
const say = (_fields: object, message: string): void => {
  process.stdout.write(`${message}\n`);
};
const logger: Logger = { debug: say, info: say, warn: say, error: say };

/** Called before anything is loaded that needs one itself. */
function takeDescriptors(): number[] {
  const taken: number[] = [];
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'));
    } catch {
      return taken;
    }
  }
}

const count = (calls: number): void => {
  for (let key = 0; key < 20; key += 1)
    recorder.cell('notes', `key ${String(key)}`, 'read', 'shadow').calls += calls;
};
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

const taken = usedUp === 'descriptors' ? takeDescriptors() : [];
const recorder = openRecorder({ path: store, run: 'test', logger, flushIntervalMs: 5 });
for (let turn = 0; turn < 10; turn += 1) {
  count(1);
  await pause();
}
for (const one of taken) closeSync(one);
for (let turn = 0; turn < 10; turn += 1) {
  count(1);
  await pause();
}
process.stdout.write(`counted ${String(recorder.summary().totals.calls)}\n`);
recorder.close();
