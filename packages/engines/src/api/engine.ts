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
