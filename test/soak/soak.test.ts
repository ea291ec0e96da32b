import { describe, expect, test } from '@jest/globals';
import { soak } from '../../scripts/soak/soak.ts';
import { judgeFlatness, type SoakSample } from '../../scripts/soak/soak-verdict.ts';

const calm = (at: number): SoakSample => ({
  atMs: at,
  heapMib: 50 + (at % 3),
  residentMib: 150,
  handles: 20,
  connections: 9,
  loopDelayMs: 6,
  calls: at,
  errors: 0,
});

describe('a soak', () => {
  test('drives all engines while stages change, and nothing fails', async () => {
    const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
    const result = await soak({
      databaseUrl,
      durationMs: 4_000,
      seed: 7,
      datasets: 2,
      sampleEveryMs: 200,
      stageEveryMs: 100,
    });
    expect(result.failures).toEqual([]);
    for (const engine of ['sqlite', 'duckdb', 'postgresql'])
      expect(result.calls[engine]).toBeGreaterThan(0);
    expect(result.stageChanges).toBeGreaterThan(0);
    expect(result.comparisons).toMatchObject({ mismatch: 0 });
    expect(result.comparisons.compared).toBeGreaterThan(0);
    // Four seconds of calls, and as long as the machine needs to open, compare and close what they used.
  });

  test('calls what stays as it is flat', () => {
    expect(
      judgeFlatness(Array.from({ length: 30 }, (_, at) => calm(at))).every(({ flat }) => flat),
    ).toBe(true);
  });

  test.each(['heapMib', 'residentMib', 'handles', 'connections'] as const)(
    'finds that %s grow',
    (field) => {
      const growing = Array.from({ length: 30 }, (_, at) => ({
        ...calm(at),
        [field]: calm(at)[field] + at * 3,
      }));
      expect(judgeFlatness(growing).filter(({ flat }) => !flat)).toHaveLength(1);
    },
  );

  test('says that a few samples tell nothing', () => {
    expect(() => judgeFlatness([calm(0)])).toThrow(RangeError);
  });
});
