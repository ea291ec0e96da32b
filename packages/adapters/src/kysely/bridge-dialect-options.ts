import { WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import type { Dialect } from 'kysely';
import {
  type AdapterOptions,
  type BridgePart,
  bridgePartOf,
  keyOf,
  type KeyedStatement,
} from '../shared/adapter-options.ts';

/** What a dialect over two dialects is made of. */
export interface BridgeDialectOptions extends AdapterOptions {
  /** The dialect as it was. Query compiler, adapter and introspector are its. */
  readonly legacy: Dialect;
  /** The dialect that takes its place, on the same database. Of the same engine, for it gets the legacy compiler's SQL. */
  readonly pooled: Dialect;
  /** Tells what a statement does; closed with the driver. Default: that of the legacy dialect's engine, PostgreSQL or SQLite. */
  readonly classifier?: StatementClassifier | undefined;
}

/** The options with their defaults. */
export interface ParsedOptions {
  readonly legacy: Dialect;
  readonly pooled: Dialect;
  readonly key: ((statement: KeyedStatement) => string) | undefined;
  readonly pure: readonly string[];
  readonly classifier: StatementClassifier | undefined;
  readonly bridge: BridgePart;
}

/**
 * Applies the defaults.
 *
 * @throws {InvalidOptionError} for an unknown name. {WiringError} for a leg that is no dialect.
 */
export function parseOptions(options: BridgeDialectOptions): ParsedOptions {
  const bridge = bridgePartOf(options, ['legacy', 'pooled', 'classifier']);
  for (const leg of ['legacy', 'pooled'] as const)
    if (typeof (options[leg] as Partial<Dialect> | undefined)?.createDriver !== 'function')
      throw new WiringError(`The option ${leg} of "${options.name}" is no Kysely dialect.`);
  const { legacy, pooled, pure = [], classifier } = options;
  return Object.freeze({ legacy, pooled, pure, classifier, bridge, key: keyOf(options) });
}
