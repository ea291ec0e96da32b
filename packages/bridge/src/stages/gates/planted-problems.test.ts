import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import {
  MigrationWorld,
  type WorldCall,
  type WorldKey,
  worldBackend,
} from '../../test-kit/migration-world.ts';
import type { GateJudge } from './verdict.ts';

const times = (count: number, call: WorldCall): WorldCall[] =>
  Array.from({ length: count }, () => call);

/** What every key's callers do: two reads and a write, three times a second. */
const usual: WorldKey = () => [
  ...times(3, { operation: 'query', shape: 'SELECT * FROM t WHERE id = ?' }),
  ...times(3, { operation: 'list' }),
  { operation: 'add', comparedAt: ['shadow'] },
];

interface Problem {
  readonly name: string;
  readonly calls: WorldKey;
  /** The stage that the key doesn't leave. */
  readonly stays: Stage;
  /** What its verdict names. */
  readonly says: RegExp;
}

const operations = ['find', 'count', 'search', 'export', 'totals'] as const;
const beside = (calls: (second: number, stage: Stage) => readonly WorldCall[]): WorldKey => {
  return (second, stage, recorder, key) => [
    ...usual(second, stage, recorder, key),
    ...calls(second, stage),
  ];
};
/** A problem that only comes once the pooled leg answers. */
const onceAnswered = (calls: (second: number) => readonly WorldCall[]): WorldKey =>
  beside((second, stage) => (stage === 'reverse' || stage === 'pooled' ? calls(second) : []));

/** Ten kinds of problems, each of them at one of five operations. */
const problems: readonly Problem[] = operations.flatMap((operation, at): Problem[] => {
  const shape = `SELECT ${operation} FROM t WHERE id = ?`;
  const well = beside((_second, stage) =>
    stage === 'shadow' ? times(2, { operation, shape }) : [],
  );
  const after = (calls: (second: number) => readonly WorldCall[]): WorldKey => {
    return (second, stage, recorder, key) => [
      ...well(second, stage, recorder, key),
      ...onceAnswered(calls)(second, stage, recorder, key).slice(7),
    ];
  };
  return [
    {
      name: `${operation} is always answered otherwise`,
      calls: beside(() => [{ operation, shape, verdict: 'mismatch' }]),
      stays: 'shadow',
      says: new RegExp(`confirmed mismatch(es)?, of \`${operation}: `),
    },
    {
      name: `${operation} is once in a while answered otherwise`,
      calls: beside((second) => [
        { operation, shape, verdict: second % 11 === 5 ? 'mismatch' : 'match' },
      ]),
      stays: 'shadow',
      says: new RegExp(`confirmed mismatch(es)?, of \`${operation}: `),
    },
    {
      name: `a rare shape of ${operation} is answered otherwise`,
      calls: beside((second) => [
        ...times(3, { operation, shape }),
        ...(second === 9 + at
          ? [{ operation, shape: `${shape} ORDER BY x`, verdict: 'mismatch' } as const]
          : []),
      ]),
      stays: 'shadow',
      says: new RegExp(
        `1 comparison of 1 is a confirmed mismatch, of \`${operation}: .* ORDER BY x`,
      ),
    },
    {
      name: `${operation} acts and is not compared`,
      calls: beside(() => [{ operation, shape, sheds: 'side-effects' }]),
      stays: 'shadow',
      says: new RegExp(`\`${operation}: .*is not compared \\(a call that acts is not run twice\\)`),
    },
    {
      name: `${operation} is never comparable`,
      calls: beside(() => [{ operation, shape, sheds: 'not-comparable' }]),
      stays: 'shadow',
      says: new RegExp(`\`${operation}: .*is not compared`),
    },
    {
      name: `${operation} differs from run to run on one leg`,
      calls: beside(() => [{ operation, shape, verdict: 'nondeterministic' }]),
      stays: 'shadow',
      says: new RegExp(`\`${operation}: .*can not be compared`),
    },
    {
      name: `${operation} comes to no explanation`,
      calls: beside(() => times(6, { operation, shape, verdict: 'inconclusive' })),
      stays: 'shadow',
      says: new RegExp(`came to no explanation, of \`${operation}\``),
    },
    {
      name: `${operation} is slow on the pooled leg`,
      calls: beside(() => times(2, { operation, shape, legacyMs: 4, pooledMs: 40 })),
      stays: 'reverse',
      says: new RegExp(
        `the pooled median of \`${operation}\` is (10|9)\\.\\d+ times the legacy one`,
      ),
    },
    {
      name: `${operation} is failed by the pooled leg`,
      calls: after(() => [{ operation, shape, fails: 'pooled', comparedAt: [] }]),
      stays: 'reverse',
      says: new RegExp(`\`${operation}\` fails more often on the pooled leg`),
    },
    {
      name: `callers rely on the session at ${operation}`,
      calls: (second, stage, recorder, key) => {
        if (second === 3)
          recorder.relied({
            backend: worldBackend,
            dataset: key,
            guarantee: 'session',
            use: 'lastWrite',
            site: `src/${operation}.ts:41`,
            what: `${operation}: SELECT last_insert_rowid()`,
            kept: false,
          });
        return usual(second, stage, recorder, key);
      },
      stays: 'shadow',
      says: new RegExp(`\\(session\\).*src/${operation}\\.ts:41`),
    },
  ];
});

let folder: string;
let world: MigrationWorld;
let judge: GateJudge;
const keyOf = (at: number): string => `key ${String(at)}`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-planted-'));
  world = new MigrationWorld(folder);
  for (const [at, { calls }] of problems.entries()) world.add(keyOf(at), calls);
  for (let at = 0; at < 50; at += 1) world.add(`clean ${String(at)}`, usual);
  await world.run(300);
  judge = world.judge();
}, 240_000);

afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

test('there are fifty of them, of which no two are alike', () => {
  expect(problems).toHaveLength(50);
  expect(new Set(problems.map(({ name }) => name)).size).toBe(50);
});

describe('a key with a problem is held at its stage by a reason that names it', () => {
  test.each(problems.map((problem, at) => ({ ...problem, at })))('$name', ({ at, stays, says }) => {
    const { decision, reason, gates } = judge.key(worldBackend, keyOf(at));
    expect(world.stageOf(keyOf(at))).toBe(stays);
    expect(decision).not.toBe('PROMOTE');
    expect([reason, ...gates.map((gate) => gate.reason ?? '')].join('\n')).toMatch(says);
  });
});

test('all fifty clean keys beside them have come to pooled by themselves', () => {
  const stages = Array.from({ length: 50 }, (_, at) => world.stageOf(`clean ${String(at)}`));
  expect(stages.filter((stage) => stage === 'pooled')).toHaveLength(50);
});
