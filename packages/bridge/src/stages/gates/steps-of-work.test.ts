import { expect, test } from '@jest/globals';
import type { TotalsBy } from '../../recorder/report-data.ts';
import { partsAtOnce } from '../../steps.ts';
import {
  type CellCounts,
  latencies,
  reportData,
} from '../../../../operate/src/report/test-kit/sample-report.ts';
import { GateJudge } from './verdict.ts';

const operations = 10;
/** Looks at cells in the time of one part, at most: it is the same whatever the number of keys. */
const looksAPart = 9_000;

/** Many keys of ten operations each, and how many cells' fields were looked at. */
function counted(keys: number): { judge: () => Generator<number, GateJudge>; looks: () => number } {
  const cells: CellCounts[] = Array.from({ length: keys * operations }, (_, at) => ({
    dataset: `key ${String(Math.floor(at / operations))}`,
    operation: `operation ${String(at % operations)}`,
    stage: 'shadow',
    match: 60,
    legacyMs: latencies(40, 4),
    pooledMs: latencies(40, 1),
  }));
  const data = reportData(cells);
  let looks = 0;
  const watched = <One extends object>(one: One): One =>
    new Proxy(one, {
      get(target, name): unknown {
        looks += 1;
        return Reflect.get(target, name);
      },
    });
  const seen = { ...data, cells: data.cells.map((cell): TotalsBy => watched(cell)) };
  return { judge: () => GateJudge.inSteps({ data: seen }), looks: () => looks };
}

function done(steps: Generator<number, GateJudge>, told: (parts: number) => void): GateJudge {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    told(step.value);
  }
}

test('no step of judging takes more than its parts, however many keys there are', () => {
  const { judge, looks } = counted(40);
  let [before, worst, most] = [looks(), 0, 0];
  done(judge(), (parts) => {
    worst = Math.max(worst, (looks() - before) / Math.max(1, parts));
    most = Math.max(most, parts);
    before = looks();
  });
  expect(worst).toBeLessThan(looksAPart);
  expect(most).toBeLessThan(partsAtOnce);
});

test('one key of a judge that was asked in steps takes the work of its own cells', () => {
  const looksAtOne = (keys: number): number => {
    const { judge, looks } = counted(keys);
    const asked = done(judge(), () => undefined);
    const before = looks();
    expect(asked.key('sqlite', 'key 3').decision).toBe('PROMOTE');
    return looks() - before;
  };
  expect(looksAtOne(24)).toBe(looksAtOne(8));
});

test('a judge that was asked in steps says what one says that was asked in one go', () => {
  const { judge } = counted(5);
  const { judge: again } = counted(5);
  const inSteps = done(judge(), () => undefined).verdict();
  const verdict = done(again(), () => undefined);
  expect(inSteps).toEqual(verdict.verdict());
  expect(inSteps.keys).toHaveLength(5);
});
