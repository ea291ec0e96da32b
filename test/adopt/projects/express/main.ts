import { copyFileSync } from 'node:fs';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import application from './application.cjs';
import db from './database.cjs';
import { startLoad } from './load.ts';

/** Serves while callers order, at each of the stages that are asked for; with no bridge where none is. */
const stages = (process.env.STAGES ?? '').split(' ').filter((stage) => stage !== '');
process.noDeprecation = true;
await db.connect();
const server = application.listen(0);
await once(server, 'listening');
const load = startLoad(`http://127.0.0.1:${server.address().port}`, 3);

const seen = {};
if (stages.length === 0) await until(() => load.answered() >= 30);
else {
  const { bridgeOf } = await import('changeover');
  const bridge = bridgeOf(db);
  for (const stage of stages) {
    copyFileSync(`${stage}.json`, process.env.CHANGEOVER_FLAGS);
    await until(() => bridge.stageOf() === stage);
    const { calls, match } = bridge.recorder.summary().totals;
    const compares = stage === 'shadow' || stage === 'reverse';
    await until(() => {
      const { totals } = bridge.recorder.summary();
      return totals.calls >= calls + 30 && (!compares || totals.match > match);
    });
    seen[stage] = 'served';
  }
  await bridge.idle();
  seen.mismatch = bridge.recorder.summary().totals.mismatch;
}
await load.stop();
server.close();
server.closeAllConnections();
await db.end();
console.log(JSON.stringify({ seen, acknowledged: load.acknowledged }));

async function until(reached) {
  for (let tries = 0; !reached(); tries += 1) {
    if (tries === 1000) throw new Error(`it did not come to ${String(reached)}`);
    await pause(20);
  }
}
