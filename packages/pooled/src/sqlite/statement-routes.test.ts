import { expect, test } from '@jest/globals';
import type { Job } from '../job.ts';
import { StatementRoutes } from './statement-routes.ts';

const job: Job = { kind: 'operation', operation: 'query', args: ['SELECT 1'] };
const nested = { depth: 2, recursive: false, rows: undefined };

test('what nothing is known of is looked at in a thread before it runs', () => {
  const routes = new StatementRoutes();
  expect(routes.routeOf(job)).toBe('guarded');
  expect(routes.estimatedCostMs(job)).toBeUndefined();
});

test('what its plan does not bound runs in a process until it was measured to be short, and again when it has become long', () => {
  const routes = new StatementRoutes();
  routes.refused(job, nested);
  expect(routes.estimatedCostMs(job)).toBe(Infinity);
  expect(routes.routeOf(job)).toBe('child');
  routes.took(job, 3);
  expect(routes.estimatedCostMs(job)).toBe(3);
  expect(routes.routeOf(job)).toBe('thread');
  routes.took(job, 500);
  expect(routes.routeOf(job)).toBe('child');
});

test('a recursion runs in a process however short it was', () => {
  const routes = new StatementRoutes();
  routes.refused(job, { depth: 1, recursive: true, rows: undefined });
  for (let call = 0; call < 50; call += 1) routes.took(job, 0.01);
  expect(routes.routeOf(job)).toBe('child');
});

test('what was ended is known to take longer, however short it was before', () => {
  const routes = new StatementRoutes();
  routes.refused(job, nested);
  routes.took(job, 1);
  routes.ended(job, 400);
  expect(routes.estimatedCostMs(job)).toBe(800);
  expect(routes.routeOf(job)).toBe('child');
});

test('a new schema makes everything unknown', () => {
  const routes = new StatementRoutes();
  routes.refused(job, nested);
  routes.clear();
  expect(routes.routeOf(job)).toBe('guarded');
});

test('a transaction begins in a process, because nothing says what comes in it', () => {
  expect(new StatementRoutes().routeOf({ kind: 'begin' })).toBe('child');
});
