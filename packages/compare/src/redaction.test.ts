import { describe, expect, test } from '@jest/globals';
import { StorageError } from '@changeover/engines';
import { errorKind, Redactor } from './redaction.ts';

const key = new Uint8Array(32).fill(7);

describe('Redactor', () => {
  const redactor = new Redactor(key);

  test('shows type, length and a digest, and nothing of the value', () => {
    const canary = 'canary-4711-secret';
    const values = [
      canary,
      { [canary]: canary },
      [canary],
      Buffer.from(canary),
      new Map([[canary, canary]]),
      new Error(canary),
      47114711,
      4711n,
    ];
    for (const value of values) {
      const text = JSON.stringify(redactor.redact(value));
      expect(text).not.toMatch(/canary|4711|secret/);
    }
    expect(redactor.redact(canary)).toEqual({
      type: 'string',
      length: 18,
      digest: expect.stringMatching(/^[0-9a-f]{12}$/) as unknown,
    });
    expect([
      redactor.redact(null).type,
      redactor.redact([1, 2]).length,
      redactor.redact(new Uint8Array(3)).length,
      redactor.redact({ a: 1 }).length,
    ]).toEqual(['null', 2, 3, 1]);
    expect('length' in redactor.redact(5)).toBe(false);
  });

  test('gives equal values one digest and different ones two', () => {
    expect(redactor.redact(1)).toEqual(redactor.redact(1n));
    expect(redactor.redact({ a: 1, b: 2 }).digest).toBe(redactor.redact({ b: 2, a: 1 }).digest);
    const digests = [null, '', '1', 1, true, [1], ['1'], { a: 1 }].map(
      (value) => redactor.redact(value).digest,
    );
    expect(new Set(digests).size).toBe(8);
  });

  test("gives another digest under another key, and keeps no hold on the caller's key", () => {
    const own = key.slice();
    const other = new Redactor(own);
    expect(other.redact('a')).toEqual(redactor.redact('a'));
    own.fill(0);
    expect(other.redact('a')).toEqual(redactor.redact('a'));
    expect(new Redactor().redact('a').digest).not.toBe(new Redactor().redact('a').digest);
    expect(() => new Redactor(new Uint8Array(4))).toThrow(RangeError);
  });

  const throwing = {
    get a(): number {
      throw new Error('no');
    },
  };
  const circle: unknown[] = [];
  circle.push(circle);
  test.each([
    ['a getter that throws', throwing],
    ['a circle', circle],
    ['a symbol', Symbol('a')],
    ['a revoked proxy', revoked()],
  ])('hides %s', (_name, value) => {
    expect(redactor.redact(value)).toEqual({ type: 'hidden', digest: '' });
    expect(() => redactor.redactError(value)).not.toThrow();
  });

  test.each([
    'duplicate key value violates unique constraint "people_email"\nDETAIL: Key (email)=(canary) already exists.',
    'Key (email)=(canary) already exists.',
    'could not connect to postgres://user:canary@localhost:5432/db',
    'password=canary failed',
    'invalid input syntax for type integer: "canary"',
    "no such value 'can''t canary'",
    'near `canary`: syntax error',
    'unfinished "canary and canary',
    'Could not convert string canary123 to INT32',
    'value 0canary1 out of range',
    'token: canary',
    'x = canary',
    'failed DETAIL canary',
  ])('hides the data in: %s', (message) => {
    const redacted = redactor.redactError(new Error(message));
    expect(redacted.message).not.toContain('canary');
    expect(redacted.kind).toBe('Error');
  });

  test('keeps the words of a message, and marks equal parts alike', () => {
    const { message } = redactor.redactError(
      new StorageError('TABLE_NOT_FOUND', 'Table "a" does not exist in dataset "a".'),
    );
    expect(message).toMatch(/^Table <([0-9a-f]{12})> does not exist in dataset <\1>\.$/);
  });

  test('takes a time that grows with the message and not with its square', () => {
    expect(redactor.redactError(new Error('"'.repeat(1_000_000))).message.length).toBeLessThan(
      10_000,
    );
    expect(redactor.redactError(new Error('a1'.repeat(1_000_000))).message.length).toBeLessThan(
      10_000,
    );
  });
});

describe('errorKind', () => {
  test.each([
    [new StorageError('CLOSED', 'x'), 'CLOSED'],
    [new RangeError('x'), 'RangeError'],
    ['text', 'string'],
    [undefined, 'undefined'],
    [null, 'object'],
    [{ code: 'contains a secret value' }, 'Error'],
    [{ name: 5 }, 'Error'],
    [Object.assign(new Error('x'), { code: 23505 }), 'Error'],
  ])('of %p is %s', (error, kind) => {
    expect(errorKind(error)).toBe(kind);
  });
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
