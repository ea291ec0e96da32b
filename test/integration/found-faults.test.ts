import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  HeldSnapshot,
  Leg,
  ShadowCall,
  ShadowLeg,
  SnapshotAnswer,
  WriteEffect,
} from '@changeover/core';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  engines,
  type ResultSet,
  type Row,
  type StorageApi,
} from 'changeover';
import { digestResult } from '@changeover/compare';
import { valuePolicies } from '../../packages/storage/src/verify/value-policies.ts';
import { rowFaults, type Rows, spoilAnswer } from './planted-faults.ts';
import { createTrees, determinedQueries, pick, seededRandom } from './traffic.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Operations whose answers are rows. */
const ofRows: ReadonlySet<string> = new Set(['query', 'readTable', 'readData']);

/** Spoils what the pooled leg reads and writes, for callers and comparisons alike. */
class FaultyLeg {
  /** Of answers that are rows, the rows; else the answer. */
  spoil: ((answer: unknown) => unknown) | undefined;
  /** The arguments of a write that is made for comparison. */
  misunderstand: ((args: readonly unknown[]) => readonly unknown[]) | undefined;

  wrap(leg: Leg<StorageApi>, engine: Engine): Leg<StorageApi> {
    const { shadow } = leg;
    if (shadow === undefined) throw new Error('the pooled leg has no shadow');
    const api = new Proxy(leg.api, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return async (...args: readonly unknown[]) =>
          this.#spoiled(
            String(name),
            await (Reflect.apply(method, target, args) as Promise<unknown>),
          );
      },
    });
    const changed = (call: ShadowCall): ShadowCall => ({
      ...call,
      args: this.misunderstand?.(call.args) ?? call.args,
    });
    const read = async (call: ShadowCall): Promise<unknown> =>
      this.#spoiled(call.operation, await shadow.read(call));
    const { answerInSnapshot } = leg;
    return {
      ...leg,
      api,
      ...(answerInSnapshot === undefined
        ? {}
        : { answerInSnapshot: (call) => this.#spoiledInSnapshot(answerInSnapshot(call)) }),
      shadow: {
        admits: () => shadow.admits(),
        read,
        state: async (...given) => await shadow.state?.(...given),
        digest: async (call) =>
          digestResult(
            await read(call),
            ofRows.has(call.operation) ? 'rows' : 'value',
            valuePolicies[engine],
          ),
        ...(shadow.rehearse === undefined
          ? {}
          : { rehearse: (call, limits) => rehearse(changed(call), limits) }),
        ...(shadow.scratchWrite === undefined
          ? {}
          : { scratchWrite: (call, limits) => scratchWrite(changed(call), limits) }),
      },
    };
    function rehearse(
      ...given: Parameters<NonNullable<ShadowLeg['rehearse']>>
    ): Promise<WriteEffect> {
      return shadow?.rehearse?.(...given) ?? Promise.reject(new Error('there is no rehearsal'));
    }
    function scratchWrite(
      ...given: Parameters<NonNullable<ShadowLeg['scratchWrite']>>
    ): Promise<WriteEffect> {
      return (
        shadow?.scratchWrite?.(...given) ?? Promise.reject(new Error('there is no writing apart'))
      );
    }
  }

  /** The answer itself was spoiled by the API. */
  #spoiledInSnapshot({ answer, snapshot }: SnapshotAnswer): SnapshotAnswer {
    const spoiled = async (): Promise<HeldSnapshot | undefined> => {
      const held = await snapshot;
      if (held === undefined) return undefined;
      const read = async (call: ShadowCall): Promise<unknown> =>
        this.#spoiled(call.operation, await held.read(call));
      return { ...held, read };
    };
    return { answer, snapshot: spoiled() };
  }

  #spoiled(operation: string, value: unknown): unknown {
    if (this.spoil === undefined) return value;
    if (!ofRows.has(operation) || Array.isArray(value)) return this.spoil(value);
    const { rows } = value as ResultSet;
    const changed = this.spoil(rows) as Row[];
    return { columns: Object.keys(changed[0] ?? rows[0] ?? {}), rows: changed };
  }
}

async function open(
  engine: Engine,
  stage: 'shadow' | 'reverse',
  dataset: string,
): Promise<{
  storage: StorageApi;
  leg: FaultyLeg;
  classes: () => Promise<Readonly<Record<string, number>>>;
}> {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-faults-found-'));
  cleanups.push(() => {
    rmSync(basePath, { recursive: true, force: true });
  });
  const leg = new FaultyLeg();
  const found: Record<string, number> = {};
  const bridge = createStorageBridge({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    storePath: ':memory:',
    logger: quiet,
    // A busy machine must not make rehearsals be shed.
    stages: createStaticStageSource(() => stage, { rehearsalBudgetMs: 10_000 }),
    guardrail: { mode: 'report' },
    decoratePooledLeg: (pooled) => leg.wrap(pooled, engine),
  });
  cleanups.push(() => bridge.close());
  const storage = bridge.storage(engine);
  await createTrees({ storage, engine, dataset, random: seededRandom(3) }, 120);
  cleanups.push(() => storage.dropDataset(dataset));
  return {
    storage,
    leg,
    classes: async () => {
      await bridge.idle();
      for (const name of Object.keys(found)) found[name] = 0;
      for (const { verdict, class: kind, count } of bridge.recorder.summary().sampleGroups) {
        const name = verdict === 'mismatch' ? String(kind) : verdict;
        found[name] = (found[name] ?? 0) + count;
      }
      return { ...found };
    },
  };
}

/** A long campaign says how many: `CHANGEOVER_TEST_FAULTS=1700 npm test -- test/integration/found-faults` makes 10,200. With
 * `CHANGEOVER_TEST_SEED` it makes others. */
const faultsEach = Number(process.env['CHANGEOVER_TEST_FAULTS'] ?? 40);
const seed = Number(process.env['CHANGEOVER_TEST_SEED'] ?? 11);

/** Queries for faults that the others' answers can't have: long texts, times, doubles, letters with accents. */
const queries = [
  ...determinedQueries,
  `SELECT id, '${'long '.repeat(60)}' || kind AS long, CAST(id AS DOUBLE PRECISION) / 7 AS part FROM trees WHERE id < {n} ORDER BY id`,
  "SELECT id, '2026-01-31 12:00:00.123456' AS made, 'éa' AS accent, id + 1 AS next FROM trees WHERE id < {n}",
];

const total = (found: Readonly<Record<string, number>>): number =>
  Object.values(found).reduce((sum, count) => sum + count, 0);

describe.each(
  engines.flatMap(
    (engine) =>
      [
        [engine, 'shadow'],
        [engine, 'reverse'],
      ] as const,
  ),
)('%s at %s', (engine, stage) => {
  const dataset = `found_${process.pid.toString(36)}_${stage}`;

  test('every fault in what the pooled leg reads is found, as what it is', async () => {
    const { storage, leg, classes } = await open(engine, stage, dataset);
    const random = seededRandom(seed);
    const answers = new Map<string, Rows>();
    const wrong: string[] = [];
    let before = await classes();
    // Each kind in turn, so that a short campaign has all of them.
    const kinds = Object.keys(rowFaults);
    let planted = 0;
    for (let tried = 0; planted < faultsEach && tried < faultsEach * 100; tried += 1) {
      const kind = kinds[(planted + Math.floor(tried / 50)) % kinds.length] ?? '';
      const fault = rowFaults[kind];
      const sql = pick(random, queries).replaceAll('{n}', String(Math.floor(random() * 100)));
      const own = Math.floor(random() * 2 ** 32);
      if (fault === undefined || (fault.ordered ?? /order by/i.test(sql)) !== /order by/i.test(sql))
        continue;
      let rows = answers.get(sql);
      if (rows === undefined) {
        ({ rows } = await storage.query(dataset, sql));
        await classes();
        answers.set(sql, rows);
      }
      if (fault.class !== 'error' && fault.plant(rows, seededRandom(own)) === undefined) continue;
      leg.spoil = (given) => fault.plant(given as Rows, seededRandom(own)) ?? given;
      await storage.query(dataset, sql).catch((error: unknown) => {
        if (fault.class !== 'error') throw error;
      });
      const after = await classes();
      leg.spoil = undefined;
      planted += 1;
      const more = fault.class === undefined ? 0 : 1;
      if (
        total(after) !== total(before) + more ||
        (after[fault.class ?? ''] ?? 0) !== (before[fault.class ?? ''] ?? 0) + more
      ) {
        wrong.push(
          `${kind} ${String(own)}: ${sql}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`,
        );
      }
      before = after;
    }
    expect({ wrong, planted }).toEqual({ wrong: [], planted: faultsEach });
  }, 3_600_000);

  test('every fault in what the pooled leg says of tables is found', async () => {
    const { storage, leg, classes } = await open(engine, stage, dataset);
    await storage.updateMetadata(dataset, { planted: 'by hand', at: 1 });
    const random = seededRandom(seed + 1);
    const reads: Readonly<Record<string, () => Promise<unknown>>> = {
      getTableInfo: () => storage.getTableInfo(dataset, 'trees'),
      getColumns: () => storage.getColumns(dataset, 'trees'),
      listTables: () => storage.listTables(dataset),
      tableExists: () => storage.tableExists(dataset, 'trees'),
      analyzeColumn: () =>
        storage.analyzeColumn(dataset, 'trees', pick(random, ['id', 'seeds', 'kind'])),
      getMetadata: () => storage.getMetadata(dataset),
    };
    const missed: string[] = [];
    let before = total(await classes());
    for (let planted = 0; planted < Math.ceil(faultsEach / 3); planted += 1) {
      const [operation, read] = pick(random, Object.entries(reads));
      const own = Math.floor(random() * 2 ** 32);
      leg.spoil = (answer) => spoilAnswer(answer, seededRandom(own));
      await read();
      const found = await classes();
      leg.spoil = undefined;
      if (
        total(found) !== before + 1 ||
        (found['nondeterministic'] ?? 0) + (found['inconclusive'] ?? 0) > 0
      ) {
        missed.push(`${operation} ${String(own)}: ${JSON.stringify(found)}`);
      }
      before = total(found);
    }
    expect(missed).toEqual([]);
  }, 3_600_000);
});

/** What a leg may do to rows on their way into a table. */
const writtenFaults = [
  'the next double',
  'a space at the end',
  'NULL for the empty text',
  'digits lost past 2^53',
  'another normal form',
  'the last row is missing',
  'a row twice',
  'a text cut at 255',
  'zero for NULL',
] as const;

test.each(engines)(
  '%s: every fault in what the pooled leg writes is found, once it has come back three times',
  async (engine) => {
    const dataset = `found_${process.pid.toString(36)}_w`;
    const { storage, leg, classes } = await open(engine, 'shadow', dataset);
    const random = seededRandom(seed);
    const [one, two] = engine === 'postgresql' ? ['$1', '$2'] : ['?', '?'];
    const rows = [
      {
        id: 1,
        name: 'é',
        note: 'x'.repeat(300),
        part: 0.1,
        big: 9_007_199_254_740_993n,
        gap: null,
      },
      { id: 2, name: '', note: 'y', part: 1 / 3, big: 9_007_199_254_740_995n, gap: 5 },
    ];
    const writes: [
      string,
      (args: readonly unknown[]) => readonly unknown[],
      (at: number) => Promise<unknown>,
    ][] = [
      ...writtenFaults.map((kind): (typeof writes)[number] => [
        kind,
        (args) =>
          args.map((arg) => (isRows(arg) ? (rowFaults[kind]?.plant(arg, random) ?? arg) : arg)),
        () =>
          storage.writeTable(dataset, kind.replaceAll(/\W/g, '_'), rows, { ifExists: 'replace' }),
      ]),
      [
        'a parameter',
        (args) => args.map((arg) => (isParameters(arg) ? [Number(arg[0]) + 1, arg[1]] : arg)),
        (at) =>
          storage.execute(dataset, `UPDATE trees SET seeds = ${one} WHERE id = ${two}`, [at, 7]),
      ],
      [
        'another row',
        (args) => args.map((arg) => (isParameters(arg) ? [arg[0], 8] : arg)),
        (at) =>
          storage.execute(dataset, `UPDATE places SET id = id + ${one} WHERE id <= ${two}`, [
            at,
            1,
          ]),
      ],
    ];
    const missed: string[] = [];
    let before = await classes();
    for (const [kind, misunderstand, write] of writes) {
      // Made in order, and the table is there.
      await write(1);
      await classes();
      before = await classes();
      leg.misunderstand = misunderstand;
      for (let at = 2; at < 5; at += 1) {
        await write(at);
        await classes();
      }
      leg.misunderstand = undefined;
      const after = await classes();
      const mismatches =
        total(after) -
        total(before) -
        ((after['inconclusive'] ?? 0) - (before['inconclusive'] ?? 0));
      // A row too many or too few is no matter of chance, and counts at once.
      if (mismatches !== (/row (?:is|twice)/.test(kind) ? 3 : 1)) {
        missed.push(`${kind}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`);
      }
    }
    expect(missed).toEqual([]);
  },
  600_000,
);

function isRows(value: unknown): value is Rows {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((row) => typeof row === 'object' && row !== null)
  );
}

function isParameters(value: unknown): value is readonly unknown[] {
  return (
    Array.isArray(value) && value.length === 2 && value.every((item) => typeof item === 'number')
  );
}
