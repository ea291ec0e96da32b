import Database from 'better-sqlite3';
import { bridgeOf, createStaticStageSource } from '@changeover/bridge';
import { bridgeDatabase } from './src/better-sqlite3/index.ts';
import { rmSync } from 'node:fs';
rmSync('/tmp/cost.db', { force: true });
const raw = new Database('/tmp/cost.db'); raw.pragma('journal_mode = wal');
raw.exec('create table t (id integer primary key, x text)'); for (let i=1;i<=1000;i++) raw.prepare('insert into t values (?,?)').run(i, 'row '+i);
const stage = process.argv[2] ?? 'legacy';
const db = bridgeDatabase(new Database('/tmp/cost.db'), { name: 'notes', stages: createStaticStageSource({ notes: stage as never }), storePath: ':memory:' });
const sql = 'select x from t where id = ?';
const a = raw.prepare(sql), b = db.prepare(sql);
for (let i=0;i<50;i++) await new Promise(setImmediate); b.get(1); await new Promise(r=>setTimeout(r,50));
function time(s: {get(i:number):unknown}, n=300_000) { const t=process.hrtime.bigint(); for(let i=0;i<n;i++) s.get(1+i%1000); return Number(process.hrtime.bigint()-t)/n; }
time(a,100000); time(b,100000);
const d: number[] = [], ra: number[]=[];
for (let r=0;r<9;r++) { const x=time(a), y=time(b); d.push(y-x); ra.push(x); }
d.sort((p,q)=>p-q); ra.sort((p,q)=>p-q);
console.log(stage, 'raw', ra[4].toFixed(0), 'added median', d[4].toFixed(0), 'min', d[0].toFixed(0), 'ns');
await bridgeOf(db).close();
