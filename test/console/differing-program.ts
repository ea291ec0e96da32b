import { createInterface } from 'node:readline';
import { bridgeOf, createBridge, createStaticStageSource, read } from 'changeover';
import { silentLogger } from '@changeover/bridge';

// A program whose pooled leg answers wrongly, with all that it counts in a store that others share. It hears `call` and `end` on its
// standard input, and says on its standard output when it listens (`ready`) and of each call whether it was compared (`compared`, `called`).

const [url = ''] = process.argv.slice(2);
let compared = false;
const notes = createBridge({
  name: 'notes',
  legacy: () => ({ list: (notebook: string) => Promise.resolve([{ notebook, page: 41 }]) }),
  pooled: () => ({
    list: (notebook: string) => {
      compared = true;
      return Promise.resolve([{ notebook, page: 42 }]);
    },
  }),
  operations: { list: read.rows() },
  key: { list: (notebook) => notebook },
  storePath: url,
  stages: createStaticStageSource({ notes: 'shadow' }),
  ledger: false,
  guardrail: { mode: 'report' },
  logger: silentLogger,
});

createInterface({ input: process.stdin }).on('line', (line) => void hear(line));
// The bridge alone keeps no process alive.
setInterval(() => undefined, 60_000);
process.stdout.write('ready\n');

async function hear(line: string): Promise<void> {
  if (line === 'call') {
    await notes.list('inbox');
    await bridgeOf(notes).idle();
    process.stdout.write(compared ? 'compared\n' : 'called\n');
  } else if (line === 'end') {
    await bridgeOf(notes).close();
    process.exit(0);
  }
}
