import { describe, expect, test } from '@jest/globals';
import type { ComparisonRule } from '@changeover/compare';
import type { Stage } from '@changeover/core';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import { RuleBooks } from './rule-books.ts';
import { twoLegs, type TwoLegs } from '../test-kit/two-legs.ts';

const row = (id: number, at: unknown, note = 'n'): Record<string, unknown> => ({ id, at, note });

/** One call of each stage on two legs that differ in the column `at`. */
async function compared(legs: TwoLegs, legacyRows: unknown, pooledRows: unknown): Promise<TwoLegs> {
  legs.legacy.does.list = () => structuredClone(legacyRows);
  legs.pooled.does.list = () => structuredClone(pooledRows);
  await legs.api.list('d');
  await legs.router.idle();
  return legs;
}

const ignoreAt: ComparisonRule = { kind: 'ignore-column', column: 'at' };

describe('where a rule lets the legs differ', () => {
  test.each<Stage>(['shadow', 'reverse'])(
    'at %s it is a match, counted, and legacy is asked no more often',
    async (stage) => {
      const legs = await compared(twoLegs(stage, { rules: [ignoreAt] }), [row(1, 1)], [row(1, 2)]);
      expect(legs.cell('list')).toMatchObject({
        match: 1,
        compared: 1,
        mismatch: 0,
        nondeterministic: 0,
      });
      expect(legs.recorder.rules.flatMap((source) => source())).toEqual([
        { backend: 'notes', rule: JSON.stringify(ignoreAt), uses: 1, failures: 0 },
      ]);
      expect(legs.log.filter((line) => line === 'legacy list')).toHaveLength(
        stage === 'shadow' ? 1 : 2,
      );
    },
  );

  test('any other difference is still found, and shown without the one that may be', async () => {
    const { cell, recorder } = await compared(
      twoLegs('shadow', { rules: [ignoreAt] }),
      [row(1, 1, 'a')],
      [row(1, 2, 'b')],
    );
    expect(cell('list')).toMatchObject({ match: 0, mismatch: 1 });
    expect(recorder.samples[0]).toMatchObject({
      class: 'value',
      summary: expect.stringContaining('"note"') as unknown,
    });
    expect(recorder.samples[0]?.summary).not.toContain('"at"');
  });

  test('the same difference without the rule is a mismatch', async () => {
    const { cell } = await compared(twoLegs('shadow'), [row(1, 1)], [row(1, 2)]);
    expect(cell('list')).toMatchObject({ match: 0, mismatch: 1 });
  });

  test('an answer too large to copy passes by the reruns', async () => {
    const rows = (at: number): unknown =>
      Array.from({ length: 6_000 }, (_unused, id) => row(id, at));
    const { cell } = await compared(twoLegs('shadow', { rules: [ignoreAt] }), rows(1), rows(2));
    expect(cell('list')).toMatchObject({ match: 1, mismatch: 0 });
  });

  test('a comparator of the user decides, and one that throws lets nothing pass', async () => {
    const near: ComparisonRule = {
      kind: 'comparator',
      column: 'at',
      same: (a, b) => Math.abs(Number(a) - Number(b)) < 5,
    };
    const passed = await compared(twoLegs('shadow', { rules: [near] }), [row(1, 1)], [row(1, 2)]);
    expect(passed.cell('list')).toMatchObject({ match: 1 });
    const broken: ComparisonRule = {
      kind: 'comparator',
      column: 'at',
      same: () => {
        throw new Error('no');
      },
    };
    const found = await compared(twoLegs('shadow', { rules: [broken] }), [row(1, 1)], [row(1, 2)]);
    expect(found.cell('list')).toMatchObject({ match: 0, mismatch: 1 });
    expect(found.recorder.rules[0]?.()[0]?.failures).toBeGreaterThan(0);
  });

  test('a rule for another operation or dataset changes nothing', async () => {
    const rules: ComparisonRule[] = [
      { ...ignoreAt, operation: 'read' },
      { ...ignoreAt, dataset: 'other' },
    ];
    const { cell, recorder } = await compared(
      twoLegs('shadow', { rules }),
      [row(1, 1)],
      [row(1, 2)],
    );
    expect(cell('list')).toMatchObject({ match: 0, mismatch: 1 });
    expect(recorder.rules[0]?.().map(({ uses }) => uses)).toEqual([0, 0]);
  });

  test('an order that was promised may differ where a rule says so', async () => {
    const operations = { list: { kind: 'read', result: 'rows', ordered: () => true } } as const;
    const orderFree: ComparisonRule = {
      kind: 'order-free',
      dataset: 'D',
      reason: 'no ORDER BY in the old system',
    };
    const there = [row(1, 1), row(2, 1)];
    const legs = twoLegs('shadow', { operations: operations as never, rules: [orderFree] });
    await compared(legs, there, there.toReversed());
    expect(legs.cell('list')).toMatchObject({ match: 1, mismatch: 0 });
    expect(legs.recorder.rules[0]?.()[0]?.uses).toBe(1);
    const strict = await compared(
      twoLegs('shadow', { operations: operations as never }),
      there,
      there.toReversed(),
    );
    expect(strict.cell('list')).toMatchObject({ match: 0, mismatch: 1 });
  });

  test('the flag may bring the rule', async () => {
    const stages = createStaticStageSource(() => 'shadow', { rules: [ignoreAt] });
    const { cell } = await compared(twoLegs('shadow', { stages }), [row(1, 1)], [row(1, 2)]);
    expect(cell('list')).toMatchObject({ match: 1, mismatch: 0 });
  });
});

describe('the books of rules', () => {
  test('keep what the rules of earlier flags did, whatever comes after', () => {
    const books = new RuleBooks('notes', [ignoreAt]);
    const flagged = { kind: 'ignore-column', column: 'was' } as const;
    expect(books.for('list', 'd', [flagged])?.for('list', 'd').ignores('was')).toBe(true);
    for (let revision = 0; revision < 200; revision += 1) {
      books
        .for('list', 'd', [{ kind: 'ignore-column', column: `c${String(revision)}` }])
        ?.for('list', 'd')
        .ignores('at');
    }
    const uses = new Map(books.uses().map(({ rule, uses: count }) => [rule, count]));
    expect(uses.get(JSON.stringify(flagged))).toBe(1);
    expect(uses.get(JSON.stringify(ignoreAt))).toBe(200);
  });

  test('are the same for the same rules read anew', () => {
    const books = new RuleBooks('notes');
    expect(books.for('list', 'd', [{ ...ignoreAt }])).toBe(
      books.for('list', 'd', [{ ...ignoreAt }]),
    );
    expect(books.for('list', 'd', [])).toBeUndefined();
  });
});
