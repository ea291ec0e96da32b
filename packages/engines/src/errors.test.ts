import { expect, test } from '@jest/globals';
import { classifyError, type ErrorClass } from './errors.ts';

test.each<[ErrorClass, string, string, string]>([
  ['connection', 'FATAL', '57P01', 'an administrator has ended the session'],
  ['statement', 'ERROR', '57P01', 'a foreign server has ended its own'],
  ['connection', 'FATAL', '40001', 'the session was in the way of a recovery'],
  ['conflict', 'ERROR', '40001', 'the transaction was'],
  ['connection', 'FATAL', '08P01', 'a pooler lost its server'],
  ['statement', 'ERROR', '08P01', 'a statement lacks a parameter'],
  ['connection', 'FATAL', '57P04', 'the database was dropped'],
  ['connection', 'FATAL', '53300', 'there are too many connections'],
  ['read-only', 'ERROR', '25006', 'a statement writes where it may not'],
  ['connection', 'FEHLER', '57P01', 'the words are not English'],
])('it is "%s" by %s and %s: %s', (kind, severity, code) => {
  const error = Object.assign(new Error('…'), { severity, code });
  expect(classifyError('postgresql', error)).toBe(kind);
});
