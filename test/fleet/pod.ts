import { createInterface } from 'node:readline';
import {
  createLogger,
  Fleet,
  Guardrail,
  Ledger,
  ledgerHolds,
  limitStages,
  openRecorder,
} from '@changeover/bridge';
import { createStaticStageSource } from '@changeover/bridge';
import { systemClock } from '@changeover/core';

// One pod of a fleet: counts calls of a backend in the shared store, obeys the ledger, and says on its standard output what it
// counted (`counted N`), when it saw the key put back (`back MS`), and what it logged (`log MESSAGE`). It hears `call N`, `breach`,
// `end` on its standard input.

const [url = '', silentMs = '60000'] = process.argv.slice(2);
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
const fleet = new Fleet({ url, logger, silentMs: Number(silentMs) });
const recorder = openRecorder({ path: url, fleet, run: `pod-${String(process.pid)}`, logger });
const ledger = new Ledger({ store: fleet.ledger, logger });
const stages = limitStages(createStaticStageSource({ notes: 'pooled' }), [ledgerHolds(ledger)]);
const guardrail = new Guardrail(stages, systemClock, logger, {}, ledger);

const context = { backend: 'notes', dataset: 'one', operation: 'list' };
let stage = '';
const look = (): void => {
  const now = guardrail.decide(context).stage;
  if (now !== stage) say(`stage ${now}`);
  stage = now;
};
guardrail.subscribe(look);
ledger.subscribe(look);

let counted = 0;
const count = (calls: number): void => {
  const cell = recorder.cell('notes', `key-${String(counted % 3)}`, 'list', 'pooled');
  cell.calls += calls;
  for (let at = 0; at < Math.min(calls, 20); at += 1) cell.pooledLatency.record(1 + (at % 7));
  recorder.shape({
    backend: 'notes',
    dataset: 'one',
    operation: 'list',
    shape: '',
    stage: 'pooled',
  }).calls += calls;
  counted += calls;
  say(`counted ${String(counted)}`);
};

setInterval(() => undefined, 60_000);
let timer: NodeJS.Timeout | undefined;
createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, value] = line.split(' ');
  if (command === 'call') count(Number(value));
  else if (command === 'run')
    timer = setInterval(() => {
      count(1 + (counted % 5));
    }, 20);
  else if (command === 'stop') clearInterval(timer);
  else if (command === 'breach')
    guardrail.breach('errors', 'notes', { kind: 'key', name: 'one' }, 'too many failed');
  else if (command === 'end') void end();
});
look();
say('ready');

async function end(): Promise<void> {
  clearInterval(timer);
  await ledger.close();
  recorder.close();
  await fleet.close();
  say(`ended ${String(counted)}`);
  process.exit(0);
}
