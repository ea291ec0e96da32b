import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestResult } from '@changeover/compare';
import type { Leg, ShadowCall } from '@changeover/core';
import { schemaPrefix, type StorageBackend as Contract } from '@changeover/engines';
import { datasetFile } from '@changeover/engines/api';
import { createStaticStageSource, createStorageBridge, type Engine } from 'changeover';
import { silentLogger } from '@changeover/bridge';
import Database from 'better-sqlite3';
import pg from 'pg';

const engine = process.argv[2] as Engine;
const stageName = process.argv[3] as 'shadow' | 'reverse';
const writers = process.argv[4] as 'none' | 'own' | 'foreign';
const plants = Number(process.argv[5] ?? 40);
const databaseUrl = process.env['DATABASE_URL'];
const basePath = mkdtempSync(join(tmpdir(), 'once-'));
const dataset = `once_${process.pid}`;
let plant = false;
const wrong = { columns: ['id', 'v'], rows: [{ id: 999, v: 'wrong' }] };
const decorate = (leg: Leg<Contract>): Leg<Contract> => {
  const { shadow } = leg;
  if (!shadow) throw new Error();
  const api = new Proxy(leg.api, {
    get: (t, n) => {
      const v: unknown = Reflect.get(t, n);
      if (typeof v !== 'function') return v;
      if (n !== 'query') return v.bind(t) as unknown;
      return async (...a: unknown[]) => {
        const r: unknown = await Reflect.apply(v, t, a);
        if (plant && stageName === 'reverse' && String(a[1]).includes('FROM things')) { plant = false; return wrong; }
        return r;
      };
    },
  });
  return { ...leg, api, shadow: ({
    ...Object.fromEntries((['admits','read','version','state','holdSnapshot','rehearse','estimatedRehearsalMs','scratchWrite'] as const).filter((n) => shadow[n] !== undefined).map((n) => [n, (shadow[n] as (...a: unknown[]) => unknown).bind(shadow)])),
    tellsVersions: shadow.tellsVersions,
    digest: async (call: ShadowCall) => {
      const bad = plant && stageName === 'shadow' && String(call.args[1]).includes('FROM things');
      if (bad) plant = false;
      const d = await shadow.digest(call);
      return bad ? digestResult(wrong, 'rows') : d;
    },
  }) as never };
};
let stage: 'legacy' | 'shadow' | 'reverse' = 'legacy';
const bridge = createStorageBridge({ basePath, databaseUrl, storePath: ':memory:', logger: silentLogger, ledger: false,
  stages: createStaticStageSource(() => stage), guardrail: { mode: 'report' }, decoratePooledLeg: decorate,
  shadowQueue: { busyShare: 1, maxWaitMs: 5000 } } as never);
const s = bridge.storage(engine);
await s.createDataset(dataset);
await s.writeTable(dataset, 'things', Array.from({ length: 50 }, (_, i) => ({ id: i, v: `v${i}` })));
await s.writeTable(dataset, 'other', [{ n: 0 }]);
stage = stageName;
let stop = false;
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
const mark = engine === 'postgresql' ? '$1' : '?';
const work: Promise<void>[] = [];
let wrote = 0;
if (writers === 'own') work.push((async () => { while (!stop) { await s.execute(dataset, 'UPDATE other SET n = n + 1'); wrote += 1; await sleep(15); } })());
if (writers === 'foreign') work.push((async () => {
  if (engine === 'sqlite') { const d = new Database(datasetFile({ basePath, databaseUrl: undefined }, 'sqlite', dataset)); while (!stop) { d.exec('UPDATE other SET n = n + 1'); wrote += 1; await sleep(15); } d.close(); }
  else { const c = new pg.Client({ connectionString: databaseUrl }); await c.connect(); while (!stop) { await c.query(`UPDATE "${schemaPrefix}${dataset}".other SET n = n + 1`); wrote += 1; await sleep(15); } await c.end(); }
})());
const sums = () => { const c = bridge.recorder.cell(engine, dataset, 'query', stageName); return { compared: c.compared, match: c.match, mismatch: c.mismatch, raced: c.raced, inconclusive: c.inconclusive, nondeterministic: c.nondeterministic, shed: c.shed }; };
const ask = () => s.query(dataset, `SELECT id, v FROM things WHERE id < ${mark} ORDER BY id`, [30]);
for (let i = 0; i < 5; i += 1) { await ask(); await sleep(5); }
const started = Date.now();
let planted = 0;
for (let i = 0; i < plants; i += 1) {
  await ask(); await ask();
  plant = true;
  for (let k = 0; plant && k < 50; k += 1) { await ask(); await sleep(3); }
  if (!plant) planted += 1;
  await sleep(20);
}
stop = true; await Promise.all(work);
await bridge.idle();
const groups = bridge.recorder.summary().sampleGroups.map((g) => [g.verdict, g.samples[0]?.reason, g.samples.length]);
console.log(engine, stageName, writers, JSON.stringify({ planted, wrote, ms: Date.now() - started, ...sums() }), JSON.stringify(groups));
stage = 'legacy';
await s.dropDataset(dataset);
await bridge.close();
rmSync(basePath, { recursive: true, force: true });
process.exit(0);
