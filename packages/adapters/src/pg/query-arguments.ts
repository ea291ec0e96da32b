import type { Submittable } from 'pg';
import type { QueryConfig } from './statement.ts';

/** A Node callback. */
export type Callback = (error: unknown, result?: unknown) => void;

/** One call of `query`, whatever form it was made in. */
export interface QueryArguments {
  readonly text: string;
  readonly config: QueryConfig;
  readonly values: unknown;
  readonly name: string | undefined;
  readonly callback: Callback | undefined;
  readonly submittable: Submittable | undefined;
}

/** What is read of the driver's configuration of a query. */
interface Config {
  readonly text?: unknown;
  readonly values?: unknown;
  readonly name?: unknown;
  readonly callback?: unknown;
  readonly submit?: unknown;
  readonly cursor?: { readonly text?: unknown };
}

/** Reads the arguments of `query` as the driver does; undefined where the driver would refuse them. */
export function parseQuery(args: readonly unknown[]): QueryArguments | undefined {
  // By index: this is on every caller's path.
  const first = args[0];
  const second = args[1];
  const third = args[2];
  const callback = callbackOf(second, third);
  if (callback === 'none of these') return undefined;
  const values = typeof second === 'function' ? undefined : second;
  if (typeof first === 'string')
    return {
      text: first,
      config: first,
      values,
      name: undefined,
      callback,
      submittable: undefined,
    };
  if (typeof first !== 'object' || first === null) return undefined;
  const config = first as Config;
  if (typeof config.submit === 'function') {
    const submittable = first as Submittable & { callback?: unknown };
    // The driver sets it likewise, and calls it by itself.
    if (callback !== undefined) submittable.callback ??= callback;
    const { text } = config.text === undefined ? (config.cursor ?? {}) : config;
    return {
      text: textOf(text),
      config,
      values,
      name: undefined,
      callback: undefined,
      submittable,
    };
  }
  return {
    text: textOf(config.text),
    config: config.callback === undefined ? config : { ...config, callback: undefined },
    values: values ?? config.values,
    name: typeof config.name === 'string' && config.name !== '' ? config.name : undefined,
    callback: callback ?? (config.callback as Callback | undefined),
    submittable: undefined,
  };
}

function callbackOf(second: unknown, third: unknown): Callback | undefined | 'none of these' {
  if (typeof third === 'function') return third as Callback;
  if (third !== undefined && third !== null) return 'none of these';
  return typeof second === 'function' ? (second as Callback) : undefined;
}

function textOf(text: unknown): string {
  return typeof text === 'string' ? text : '';
}
