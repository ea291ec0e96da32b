import { expect, test } from '@jest/globals';
import type { RelianceEvidence } from '@changeover/bridge';
import { relianceLines, relianceOfKey } from './reliance-lines.ts';
import { renderReport } from './render-report.ts';
import { reportData } from './test-kit/sample-report.ts';

const lastWrite: RelianceEvidence = {
  backend: 'sqlite',
  key: 'titanic',
  guarantee: 'session',
  use: 'lastWrite',
  count: 70,
  sites: [
    { site: 'src/a.ts:12', what: 'query: SELECT last_insert_rowid ( )', count: 9 },
    { site: undefined, what: 'query: SELECT last_insert_rowid ( )', count: 61 },
  ],
  kept: true,
  firstSeen: 1,
  lastSeen: 2,
};
const sets: RelianceEvidence = {
  ...lastWrite,
  use: 'sets',
  count: 1,
  sites: [{ site: 'src/b.ts:3', what: 'query: SELECT set_config ( ? , ? , false )', count: 1 }],
};
const order: RelianceEvidence = {
  ...lastWrite,
  guarantee: 'order',
  use: undefined,
  kept: false,
  sites: [{ site: undefined, what: 'add', count: 4 }],
};

test('a line names the key, what it relies on, its call sites and what to write instead', () => {
  expect(relianceLines({ reliance: [lastWrite, sets, order] })).toEqual([
    'sqlite titanic relies on session state: 2 call sites: ' +
      'src/a.ts:12 (query: SELECT last_insert_rowid ( )), src/b.ts:3 (query: SELECT set_config ( ? , ? , false )); ' +
      'write instead: INSERT ... RETURNING id, or both statements in one transaction(); ' +
      'SET LOCAL and the query in one transaction()',
    'sqlite titanic relies on the order of calls that are not awaited: 1 call site: ' +
      'a place that was not sampled (add); write instead: await each call before the next one that depends on it ' +
      '(the pooled leg does not keep it)',
  ]);
});

test('a key that relies on nothing has no line', () => {
  expect(relianceOfKey(reportData([], { reliance: [lastWrite] }), 'sqlite', 'iris')).toEqual([]);
  expect(relianceOfKey(undefined, 'sqlite', 'titanic')).toEqual([]);
});

test.each(['text', 'md', 'html', 'json'] as const)(
  'a report as %s names the call sites',
  (format) => {
    const report = renderReport(
      { data: reportData([], { reliance: [lastWrite, sets, order] }) },
      format,
    );
    expect(report).toContain('src/a.ts:12');
    expect(report).toContain('src/b.ts:3');
  },
);

test('what a file is called cannot become markup', () => {
  const hostile = { ...sets, sites: [{ site: '<script>:1', what: '<b>', count: 1 }] };
  const report = renderReport({ data: reportData([], { reliance: [hostile] }) }, 'html');
  expect(report).not.toContain('<script>');
});
