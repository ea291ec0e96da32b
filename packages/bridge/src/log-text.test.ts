import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { createLogger, type Logger } from './log.ts';
import { TextLines } from './log-text.ts';

function opened(): { logger: Logger; lines: () => string[]; clock: ManualClock } {
  let text = '';
  const clock = new ManualClock();
  const sink = {
    write: (line: string): void => {
      text += line;
    },
  };
  return {
    logger: createLogger({ format: 'json', destination: new TextLines(sink, clock) }),
    clock,
    // Without the time of day.
    lines: () =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => line.replace(/^\d\d:\d\d:\d\d /, '')),
  };
}

describe('a log for a terminal', () => {
  test('says one line for each, with what is the matter first', () => {
    const { logger, lines } = opened();
    logger.warn({ backend: 'notes', rows: 2, count: 3 }, 'the legs differ');
    logger.error({ err: Object.assign(new Error('disk\nis full'), { code: 13 }) }, 'no store');
    expect(lines()).toEqual([
      'WARN changeover: the legs differ  [backend=notes rows=[redacted] count=3]',
      expect.stringMatching(/^ERROR changeover: no store: disk.+is full \(13\)$/),
    ]);
  });

  test('folds a line that comes again and again, and says how often it came', async () => {
    const { logger, lines, clock } = opened();
    for (let round = 0; round < 4; round += 1) logger.warn({ backend: 'notes' }, 'the legs differ');
    expect(lines()).toHaveLength(1);
    await clock.advance(5_000);
    expect(lines().slice(1)).toEqual(['         … the same 3 more times']);
    logger.warn({ backend: 'notes' }, 'the legs differ');
    logger.warn({ backend: 'other' }, 'the legs differ');
    expect(lines().slice(2)).toEqual([
      '         … the same once more',
      'WARN changeover: the legs differ  [backend=other]',
    ]);
  });

  test('lets no value of the data steer the terminal', () => {
    const { logger, lines } = opened();
    logger.warn({ dataset: '\u001b[2Jgone\r' }, 'the legs differ');

    expect(lines().join('')).not.toMatch(/[\u0000-\u001f]/);
  });
});
