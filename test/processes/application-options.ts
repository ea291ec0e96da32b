import type { Engine } from '@changeover/engines';

/** What a process of the application is told. */
export interface ApplicationOptions {
  /** Begins the name of each row that it writes. */
  readonly letter: string;
  readonly engines: readonly Engine[];
  readonly dataset: string;
  /** At once, for each engine. */
  readonly callers: number;
  readonly basePath: string;
  readonly flagsFile: string;
  readonly databaseUrl: string;
  /** `storePath` of the bridge. */
  readonly store?: string | undefined;
  readonly ledger?: boolean | undefined;
  /** True to learn when the pooled leg was last called. */
  readonly watchPooled?: boolean | undefined;
}

/** What it says at its end. */
export interface ApplicationEnd {
  readonly kind: 'end';
  readonly letter: string;
  readonly calls: number;
  readonly failures: readonly string[];
  /** Turns whose writes were all answered, by engine and caller. */
  readonly written: Readonly<Partial<Record<Engine, readonly number[]>>>;
  /** Milliseconds since 1970. */
  readonly lastPooledAt: Readonly<Partial<Record<Engine, number>>>;
  /** Over all stages and operations, as this process itself counted. */
  readonly counted: {
    readonly calls: number;
    readonly compared: number;
    readonly mismatch: number;
  };
}
