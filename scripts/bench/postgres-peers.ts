import knexModule, { type Knex } from 'knex';
import pg from 'pg';
import postgres from 'postgres';
import type { BenchCase, BenchContext, CaseResult, Figure } from './figure.ts';
import { type Side, takeTurns, timeText, together } from './measure.ts';
import { atLeast } from './verdict.ts';
import { openWorkbench } from './workbench.ts';

const engine = 'postgresql';
const connections = 10;
/** Who is measured: ours, three peers, and `pg.Pool` with its statement prepared. */
type Contender = 'pooled' | 'pool' | 'knex' | 'porsager' | 'named';

export const postgresPeers: BenchCase = {
  name: 'postgres-peers',
  title:
    'PostgreSQL: point reads and reads of 5,000 rows, 10 to 100 callers, beside pg.Pool, knex, postgres',
  needsPostgres: true,
  run: measurePostgres,
};

async function measurePostgres(context: BenchContext): Promise<CaseResult> {
  const bench = await openWorkbench({
    engines: [engine],
    databaseUrl: context.databaseUrl,
    datasets: 1,
    bridge: { pooled: { pools: { postgresql: { max: connections } } } },
  });
  try {
    const {
      pooled,
      datasets: [dataset = ''],
    } = bench;
    const table = `"mdm_${dataset}"."data"`;
    const clients = openPeers(bench.location.databaseUrl ?? '');
    let id = 0;
    const next = (): number => (id = (id + 7) % 5_000);
    const point: Record<Contender, () => Promise<readonly unknown[]>> = {
      pooled: () => pooled(engine).readTable(dataset, 'data', { where: { id: next() } }),
      pool: async () =>
        (await clients.pool.query<object>(`SELECT * FROM ${table} WHERE id = $1`, [next()])).rows,
      knex: async () =>
        (await clients.knex
          .withSchema(`mdm_${dataset}`)
          .select('*')
          .from('data')
          .where({ id: next() })) as unknown[],
      porsager: async () =>
        await clients.sql`SELECT * FROM ${clients.sql(`mdm_${dataset}.data`)} WHERE id = ${next()}`,
      named: async () =>
        (
          await clients.pool.query<object>({
            name: 'point',
            text: `SELECT * FROM ${table} WHERE id = $1`,
            values: [next()],
          })
        ).rows,
    };
    const large: typeof point = {
      pooled: () => pooled(engine).readTable(dataset, 'data'),
      pool: async () => (await clients.pool.query<object>(`SELECT * FROM ${table}`)).rows,
      knex: async () =>
        (await clients.knex.withSchema(`mdm_${dataset}`).select('*').from('data')) as unknown[],
      porsager: async () => await clients.sql`SELECT * FROM ${clients.sql(`mdm_${dataset}.data`)}`,
      named: async () =>
        (await clients.pool.query<object>({ name: 'large', text: `SELECT * FROM ${table}` })).rows,
    };
    const figures: Figure[] = [];
    try {
      // All are compiled then: the first thousands of calls tell who has less code.
      for (const work of Object.values(point)) {
        for (let made = 0; made < (context.quick ? 1_000 : 10_000); made += 100)
          await together(100, work);
      }
      for (const callers of [10, 100])
        figures.push(...(await beside(context, { kind: 'point', callers, work: point })));
      for (const callers of [10, 100]) {
        figures.push(...(await beside(context, { kind: 'large', callers, work: large })));
      }
    } finally {
      await clients.end();
    }
    return { figures };
  } finally {
    await bench.close();
  }
}

/** What every contender does, and how many callers ask for it at once. */
interface Load {
  readonly kind: 'point' | 'large';
  readonly callers: number;
  readonly work: Readonly<Record<Contender, () => Promise<readonly unknown[]>>>;
}

async function beside(context: BenchContext, { kind, callers, work }: Load): Promise<Figure[]> {
  const isPoint = kind === 'point';
  const timings = await takeTurns(
    context,
    {
      pooled: sideOf(callers, work.pooled),
      pool: sideOf(callers, work.pool),
      knex: sideOf(callers, work.knex),
      porsager: sideOf(callers, work.porsager),
      named: sideOf(callers, work.named),
    },
    { rounds: isPoint ? 21 : callers > 10 ? 5 : 7, roundMs: isPoint ? 40 : 10, equal: sameCounts },
  );
  const text =
    `for all: changeover ${timeText(timings.medianMs('pooled'))}, pg.Pool ${timeText(timings.medianMs('pool'))}, ` +
    `knex ${timeText(timings.medianMs('knex'))}, postgres ${timeText(timings.medianMs('porsager'))}; pg.Pool with the ` +
    `statement prepared: ${timeText(timings.medianMs('named'))}`;
  const what = `${isPoint ? 'point reads' : '5,000-row reads'}, ${callers} callers`;
  const times = (peer: Contender, key: string, title: string, least: number, note?: string) =>
    timings.speedup({
      key: `${kind}-${callers}-${key}`,
      name: `${what}, times ${title}`,
      measured: 'pooled',
      against: peer,
      target: atLeast(least),
      beside: note,
    });
  return [
    times('pool', 'pg-pool', 'pg.Pool', 2, text),
    times('porsager', 'postgres', 'postgres', 1.3),
    times('knex', 'knex', 'knex', isPoint ? 1.5 : 0.95),
  ];
}

function sideOf(callers: number, work: () => Promise<readonly unknown[]>): Side {
  return () => together(callers, work);
}

/** Each caller got as many rows, of the same columns, whatever the driver makes of the values. */
function sameCounts(one: unknown, other: unknown): boolean {
  const shape = (answers: unknown): string =>
    (answers as object[][])
      .map((rows) => `${rows.length} ${Object.keys(rows[0] ?? {}).join()}`)
      .join('\n');
  return shape(one) === shape(other);
}

interface Peers {
  readonly pool: pg.Pool;
  readonly knex: Knex;
  readonly sql: postgres.Sql;
  end(): Promise<void>;
}

function openPeers(url: string): Peers {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  const knex: Knex = knexModule.knex({
    client: 'pg',
    connection: url,
    pool: { min: 0, max: connections },
  });
  const sql = postgres(url, { max: connections });
  return {
    pool,
    knex,
    sql,
    async end() {
      await Promise.all([pool.end(), knex.destroy(), sql.end()]);
    },
  };
}
