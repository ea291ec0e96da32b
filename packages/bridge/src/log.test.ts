import { describe, expect, test } from '@jest/globals';
import { createLogger, type Logger, type LoggerOptions } from './log.ts';

type Line = Readonly<Record<string, unknown>> & {
  readonly err?: Readonly<Record<string, unknown>>;
};

function capture(options: LoggerOptions = {}): {
  logger: Logger;
  lines: () => Line[];
  text: () => string;
} {
  let text = '';
  const destination = {
    write: (line: string): void => {
      text += line;
    },
  };
  return {
    logger: createLogger({ ...options, destination }),
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line),
    text: () => text,
  };
}

describe('createLogger', () => {
  test('writes JSON lines with level, time and message', () => {
    const { logger, lines } = capture();
    logger.info({ dataset: 'titanic' }, 'stage changed');
    logger.debug({}, 'not at this level');
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        name: 'changeover',
        dataset: 'titanic',
        msg: 'stage changed',
      },
    ]);
  });

  test.each([
    [{ params: ['secret'] }],
    [{ call: { args: ['secret'] } }],
    [{ rows: [{ a: 'secret' }] }],
    [{ value: 'secret' }],
    [{ password: 'secret' }],
    [{ server: { token: 'secret' } }],
    [{ databaseUrl: 'postgres://me:secret@host/db' }],
  ])('hides values and credentials in %j', (fields) => {
    const { logger, text } = capture();
    logger.warn(fields, 'a line');
    expect(text()).not.toContain('secret');
    expect(text()).toContain('[redacted]');
  });

  test('shows values, but no credentials, where the option says so', () => {
    const { logger, text } = capture({ values: 'raw' });
    logger.warn({ params: ['visible'], token: 'secret' }, 'a line');
    expect(text()).toContain('visible');
    expect(text()).not.toContain('secret');
  });

  test('keeps of an error what can not hold data', () => {
    const { logger, lines, text } = capture();
    const driver = Object.assign(new Error('duplicate key value "secret" of \'secret\''), {
      code: '23505',
      detail: 'Key (email)=(secret) already exists.',
      parameters: ['secret'],
    });
    const failure = new Error('The statement failed: "secret"', { cause: driver });
    const error = Object.assign(failure, { code: 'STATEMENT_FAILED' });
    logger.error({ err: error }, 'failed');
    expect(text()).not.toContain('secret');
    expect(lines()[0]?.err).toMatchObject({
      type: 'Error',
      code: 'STATEMENT_FAILED',
      message: 'The statement failed: <6 characters>',
      stack: expect.stringMatching(/^\s+at /),
      cause: {
        type: 'Error',
        code: '23505',
        message: 'duplicate key value <6 characters> of <6 characters>',
      },
    });
  });

  test('hides the password in a URL that a message quotes', () => {
    const { logger, text } = capture({ values: 'raw' });
    logger.error({ err: new Error('no answer from postgres://me:secret@host:5432/db') }, 'failed');
    expect(text()).toContain('postgres://[redacted]@host:5432/db');
  });

  test.each([
    [
      'whose getters throw',
      Object.defineProperty({}, 'message', {
        get: () => {
          throw new Error('no');
        },
      }),
    ],
    ['that is its own cause', Object.assign(new Error('round'), { cause: undefined })],
    ['that is a text', 'secret'],
    ['that is nothing', undefined],
  ])('never throws on an error %s', (_title, error) => {
    if (typeof error === 'object' && 'cause' in error) error.cause = error;
    const { logger, lines, text } = capture();
    logger.error({ err: error }, 'failed');
    expect(lines()).toHaveLength(1);
    expect(text()).not.toContain('secret');
  });
});
