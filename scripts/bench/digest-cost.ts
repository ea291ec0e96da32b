import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import Database from 'better-sqlite3';
import { digestResult } from '@changeover/compare';
import equal from 'fast-deep-equal';
import type { BenchCase, BenchContext, CaseResult } from './figure.ts';
import { takeTurns, timeText } from './measure.ts';
import { atLeast, atMost } from './verdict.ts';
import { sampleRows } from './workbench.ts';

export const digestCost: BenchCase = {
  name: 'digest-cost',
  title:
    'digest of 20,000 rows × 6 beside fetching them, fast-deep-equal, object-hash, JSON + SHA-256',
  run: measureDigest,
};

async function measureDigest(context: BenchContext): Promise<CaseResult> {
  const database = new Database(':memory:');
  try {
    database.exec(
      'CREATE TABLE t (id INTEGER, name TEXT, amount REAL, kind INTEGER, note TEXT, flag INTEGER)',
    );
    const insert = database.prepare(
      'INSERT INTO t VALUES (@id, @name, @amount, @kind, @note, @flag)',
    );
    database.transaction(() => {
      for (const row of sampleRows(20_000)) insert.run(row);
    })();
    const fetch = database.prepare('SELECT * FROM t');
    const [rows, again] = [fetch.all(), fetch.all()];
    const objectHash = createRequire(import.meta.url)('object-hash') as (value: unknown) => string;
    const timings = await takeTurns(
      context,
      {
        fetch: () => fetch.all(),
        digest: () => digestResult(rows, 'rows'),
        deepEqual: () => equal(rows, again),
        json: () => createHash('sha256').update(JSON.stringify(rows)).digest('hex'),
      },
      { roundMs: 60, equal: tellsTheSame(fetch.all()) },
    );
    const slow = await takeTurns(
      context,
      { digest: () => digestResult(rows, 'rows'), objectHash: () => objectHash(rows) },
      { rounds: 5, equal: () => true },
    );
    return {
      figures: [
        timings.ratio({
          key: 'fetch',
          name: 'digest / fetching the rows from SQLite',
          measured: 'digest',
          against: 'fetch',
          target: atMost(0.4),
          beside: `digest ${timeText(timings.medianMs('digest'))}, fetch ${timeText(timings.medianMs('fetch'))}`,
        }),
        timings.ratio({
          key: 'fast-deep-equal',
          name: 'digest / fast-deep-equal',
          measured: 'digest',
          against: 'deepEqual',
          target: atMost(1),
          beside:
            `fast-deep-equal ${timeText(timings.medianMs('deepEqual'))}, JSON + SHA-256 ${timeText(timings.medianMs('json'))}; ` +
            "fast-deep-equal needs both sides' rows in one place and tells nothing of order",
        }),
        slow.speedup({
          key: 'object-hash',
          name: 'digest, times as fast as object-hash',
          measured: 'digest',
          against: 'objectHash',
          target: atLeast(50),
          beside: `object-hash ${timeText(slow.medianMs('objectHash'))}`,
        }),
      ],
    };
  } finally {
    database.close();
  }
}

/** Each side's answer has another form; each must be of all the rows: equal for equal rows, another for others. */
function tellsTheSame(rows: readonly unknown[]): () => boolean {
  const changed = rows.map((row, at) =>
    at === 19_999 ? { ...(row as object), note: 'changed' } : row,
  );
  return () =>
    digestResult(rows, 'rows').count === 20_000 &&
    digestResult(rows, 'rows').ordered !== digestResult(changed, 'rows').ordered &&
    !equal(rows, changed);
}
