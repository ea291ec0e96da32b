import { engineTitles } from '@changeover/engines/api';
import { type Engine, engines } from 'changeover';
import type { BenchCase, BenchContext, CaseResult, Figure } from './figure.ts';
import { countText, takeTurns, timeText } from './measure.ts';
import { openSingleton } from './singletons.ts';
import { atMost } from './verdict.ts';
import { openWorkbench } from './workbench.ts';

/** Rows of one read. */
const sizes = [1, 100, 5_000, 200_000] as const;

export const oneRead: BenchCase = {
  name: 'one-read',
  title:
    '1 to 200,000 rows of one dataset read by one caller, per engine, against the bare driver as a singleton uses it',
  needsPostgres: true,
  run: measureOneRead,
};

async function measureOneRead(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  for (const engine of engines) {
    figures.push(...(await sameDataset(context, engine)), await otherDataset(context, engine));
  }
  return { figures };
}

/** Reading one dataset again and again. */
async function sameDataset(context: BenchContext, engine: Engine): Promise<Figure[]> {
  const rows = context.quick ? 20_000 : Math.max(...sizes);
  const bench = await openWorkbench({
    engines: [engine],
    databaseUrl: context.databaseUrl,
    datasets: 1,
    rows,
  });
  const singleton = await openSingleton(engine, bench, rows);
  try {
    const [dataset = ''] = bench.datasets;
    const pooled = bench.pooled(engine);
    let id = 0;
    const next = (): number => (id = (id + 7) % rows);
    const figures: Figure[] = [];
    for (const size of sizes.filter((count) => count <= rows)) {
      const timings = await takeTurns(
        context,
        {
          pooled:
            size === 1
              ? () => pooled.readTable(dataset, 'data', { where: { id: next() } })
              : () => pooled.readTable(dataset, 'data', { limit: size }),
          bare: size === 1 ? () => singleton.one(next()) : () => singleton.some(size),
        },
        { rounds: size > 5_000 ? 7 : 21, roundMs: 40, equal: sameShape },
      );
      figures.push(
        timings.ratio({
          key: `${engine}-${size}`,
          name: `${engineTitles[engine]}, ${size === 1 ? 'one row by its key' : `${countText(size)} rows`}: pooled / the bare driver`,
          measured: 'pooled',
          against: 'bare',
          target: atMost(size === 1 ? 1.1 : 0.93),
          beside: `the bare driver on one open connection ${timeText(timings.medianMs('bare'))}`,
        }),
      );
    }
    return figures;
  } finally {
    await singleton.close();
    await bench.close();
  }
}

/** The ADR's case: a caller who goes from dataset to dataset, for whom the legacy object closes one connection and opens the
 * other each time. */
async function otherDataset(context: BenchContext, engine: Engine): Promise<Figure> {
  const bench = await openWorkbench({
    engines: [engine],
    databaseUrl: context.databaseUrl,
    datasets: 2,
  });
  try {
    const [first = '', second = ''] = bench.datasets;
    let turn = 0;
    const other = (): string => ((turn += 1) % 2 === 0 ? first : second);
    const timings = await takeTurns(
      context,
      {
        pooled: () => bench.pooled(engine).readTable(other(), 'data'),
        legacy: () => bench.legacy(engine).readTable(other(), 'data'),
      },
      { rounds: 11, roundMs: 60, equal: sameShape },
    );
    return timings.ratio({
      key: `${engine}-switching`,
      name: `${engineTitles[engine]}, 5,000 rows of another dataset each time: pooled / legacy`,
      measured: 'pooled',
      against: 'legacy',
      target: atMost(0.93),
      beside: `legacy ${timeText(timings.medianMs('legacy'))}`,
    });
  } finally {
    await bench.close();
  }
}

/** As many rows of the same columns, whatever the driver makes of the values. */
function sameShape(one: unknown, other: unknown): boolean {
  const shape = (rows: unknown): string =>
    `${(rows as object[]).length} ${Object.keys((rows as object[])[0] ?? {}).join()}`;
  return shape(one) === shape(other);
}
