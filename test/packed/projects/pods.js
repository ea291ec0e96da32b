// Several processes on one store: some by cluster, one by child_process. All are ended by SIGTERM with counts that they still hold.
import { fork } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { createBridge, createStaticStageSource, read, readRecordings } from 'changeover';

const calls = 200;
const storePath = './pods.sqlite';

async function serve() {
  const notes = { list: async () => ['buy film'] };
  const bridged = createBridge({
    name: 'notes',
    legacy: () => notes,
    pooled: () => notes,
    operations: { list: read.rows() },
    stages: createStaticStageSource({ notes: 'shadow' }),
    storePath,
  });
  for (let call = 0; call < calls; call += 1) await bridged.list();
  process.send('served');
  setInterval(() => undefined, 1_000);
}

async function operate() {
  cluster.setupPrimary({ args: ['serve'] });
  const pods = [
    ...[1, 2].map(() => cluster.fork().process),
    fork(import.meta.filename, ['serve']),
  ];
  await Promise.all(pods.map((pod) => once(pod, 'message', { signal: AbortSignal.timeout(30_000) })));
  const ends = pods.map((pod) => once(pod, 'exit'));
  for (const pod of pods) process.kill(pod.pid, 'SIGTERM');
  const signals = (await Promise.all(ends)).map(([, signal]) => signal);
  const { totals } = readRecordings(storePath);
  console.log(JSON.stringify({ signals, lost: pods.length * calls - totals.calls }));
}

await (process.argv.includes('serve') ? serve() : operate());
