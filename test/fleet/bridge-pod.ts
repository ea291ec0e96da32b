import { createInterface } from 'node:readline';
import { bridgeOf, createBridge, read } from 'changeover';
import { createLogger, openServerStageSource } from '@changeover/bridge';

// One pod of a fleet, as a user writes it: a bridge over a singleton, its flags from a server, all else in the shared store. It says on
// its standard output when its key's stage changes (`stage NAME`), and how many calls it made (`called N`). It hears `call N`,
// `differ` (the pooled leg answers wrongly from now on), `end` on its standard input.

const [url = '', flagsUrl = '', mode = 'act'] = process.argv.slice(2);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const logger = createLogger({
  level: 'info',
  destination: {
    write: (line: string) => {
      say(`log ${(JSON.parse(line) as { msg: string }).msg}`);
    },
  },
});

let differs = false;
const legacy = { list: () => [{ note: 'milk' }] };
const pooled = { list: () => [{ note: differs ? 'bread' : 'milk' }] };
const notes = createBridge({
  name: 'notes',
  legacy: () => legacy,
  pooled: () => pooled,
  operations: { list: read.rows() },
  storePath: url,
  stages: openServerStageSource({
    url: flagsUrl,
    // Whose turn it is to hear of new flags is the test's to say.
    token: String(process.pid),
    logger,
    refreshIntervalMs: 200,
    random: () => 0.5,
  }),
  ledger: true,
  guardrail: { mode: mode === 'report' ? 'report' : 'act' },
  logger,
});
const bridge = bridgeOf(notes);

let stage = '';
const look = (): void => {
  const now = bridge.stageOf('all', 'list');
  if (now !== stage) say(`stage ${now}`);
  stage = now;
};
let called = 0;
let toCall = 0;
// A program calls all the time, and it is by calls that flags are asked.
const calling = setInterval(() => {
  look();
  if (toCall === 0) return;
  toCall -= 1;
  notes.list();
  called += 1;
  say(`called ${String(called)}`);
}, 10);

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, value] = line.split(' ');
  if (command === 'call') toCall += Number(value);
  else if (command === 'differ') differs = true;
  else if (command === 'end') void end();
});
bridge.guardrail.subscribe(look);
look();
say(`ready ${String(process.pid)}`);

async function end(): Promise<void> {
  clearInterval(calling);
  await bridge.idle();
  await bridge.close();
  say(`ended ${String(called)}`);
  process.exit(0);
}
