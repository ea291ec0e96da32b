import type { ColumnInfo } from '../api/storage-backend.ts';
import type { Engine } from '../api/engine.ts';
import type { ColumnKind } from '../column-kind.ts';
import type { StatementStep } from '../program.ts';

/** How the SQL of an engine is written. One object an engine, without state. */
export interface Dialect {
  readonly engine: Engine;
  /** Longest identifier in bytes, where a longer one would be cut without an error. */
  readonly maxIdentifierBytes: number | undefined;
  /** Whether names that differ only in case are one name. */
  readonly ignoresCase: boolean;
  /** Whether a part of a transaction can be undone. */
  readonly savepoints: boolean;
  /** The type of a new column. */
  readonly types: Readonly<Record<ColumnKind, string>>;
  quote(identifier: string): string;
  /** The placeholder of a parameter, the first being 1. */
  placeholder(position: number): string;
  /** The quoted name of a table of the dataset, so that nothing else of the same name is meant. */
  tableName(dataset: string, table: string): string;
  /** The quoted name of a temporary table. */
  temporaryName(table: string): string;
  /** Rows of {@link FoundTable}: what goes by this name, exactly or as far as the engine ignores case. */
  findTable(dataset: string, table: string): StatementStep;
  /** Rows of `{name}`: the dataset's tables, views left out. */
  listTables(dataset: string): StatementStep;
  /** Rows of {@link FoundColumn} in the table's order. `table` is the name as the engine has it. */
  listColumns(dataset: string, table: string): StatementStep;
  /** The SQL to order a table's rows as they were inserted, or undefined where a scan gives them so, or where nothing can. */
  insertionOrder(
    found: FoundTable,
    columns: readonly FoundColumn[],
    filtered: boolean,
  ): string | undefined;
  /** One row of {@link FoundStatistics}. `column` is described by the engine, `table` is quoted. */
  analyzeColumn(table: string, column: ColumnInfo): StatementStep;
  /** A step that makes others wait who are about to create the same table, where the engine doesn't by itself. */
  lockName(dataset: string, table: string): StatementStep | undefined;
}

/** What goes by a table's name. */
export interface FoundTable {
  readonly name: string;
  readonly kind: 'table' | 'view';
}

/** A column and what matters for writing to it. */
export interface FoundColumn extends ColumnInfo {
  /** Computed by the engine: can't be written. */
  readonly generated: boolean;
}

/** The statistics as the engine computes them. */
export interface FoundStatistics {
  readonly count: unknown;
  readonly uniqueCount: unknown;
  readonly min: unknown;
  readonly max: unknown;
  readonly mean: unknown;
  readonly std: unknown;
}

/** Quotes by doubling, as all three engines do. */
export function quoteIdentifier(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
