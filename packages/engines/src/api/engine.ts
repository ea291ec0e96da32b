import { UnknownEngineError } from './storage-errors.ts';

/** The storage engines that have both a legacy and a pooled leg. */
export const engines = ['sqlite', 'duckdb', 'postgresql'] as const;

/** One of the supported storage engines. */
export type Engine = (typeof engines)[number];

/** How an engine is written in messages for people. */
export const engineTitles: Readonly<Record<Engine, string>> = {
  sqlite: 'SQLite',
  duckdb: 'DuckDB',
  postgresql: 'PostgreSQL',
};

/**
 * Checks a name that came from a caller.
 *
 * @throws {UnknownEngineError} for anything but the exact, lower-case name of a supported engine; the message lists them.
 */
export function parseEngine(name: unknown): Engine {
  const engine = engines.find((supported) => supported === name);
  if (engine === undefined) throw new UnknownEngineError(name);
  return engine;
}
