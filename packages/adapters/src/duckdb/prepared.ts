import type { LegName } from '@changeover/core';
import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import { handleProxy } from '../shared/handle-proxy.ts';
import { openedBy, type Way, ways } from './ways.ts';
import type { Work } from './statement.ts';
import type { StatementBridge } from './statement-bridge.ts';

type Method = (...args: readonly unknown[]) => unknown;
type Methods = Readonly<Record<string, Method>>;

/** One call that bound something: the method with its arguments. */
type Binding = readonly [method: string, args: readonly unknown[]];

/** A statement that was compiled on one connection. */
interface Compiled {
  readonly native: DuckDBPreparedStatement;
  /** The version of the bindings that it has. */
  version: number;
}

/** What a prepared statement is made of. */
export interface PreparedParts {
  /** What is told of it: columns, parameters, and what can't be bound. */
  readonly native: DuckDBPreparedStatement;
  readonly connection: DuckDBConnection;
  readonly sql: string;
  readonly bridge: StatementBridge;
  /** Compiles it on another connection. Undefined where that can't be done: then it runs on the leg that it was compiled on. */
  readonly compile:
    ((connection: DuckDBConnection) => Promise<DuckDBPreparedStatement>) | undefined;
  readonly leg: LegName;
}

/**
 * A prepared statement in the place of the driver's: compiled on each connection where it is first run, with what was bound. What is
 * asked of it without running it is answered by the one that was compiled first.
 */
export function preparedStatement(parts: PreparedParts): DuckDBPreparedStatement {
  return new BridgedPrepared(parts).standIn;
}

class BridgedPrepared {
  readonly standIn: DuckDBPreparedStatement;
  readonly #parts: PreparedParts;
  readonly #compiled = new Map<DuckDBConnection, Compiled>();
  /** By parameter, so that what is bound anew takes the place of what was. */
  readonly #bindings = new Map<string, Binding>();
  #version = 0;
  #isDestroyed = false;

  constructor(parts: PreparedParts) {
    this.#parts = parts;
    const { native } = parts;
    const replacements: Record<string, unknown> = {
      bind: (values: unknown, types?: unknown) => {
        native.bind(values as never, types as never);
        this.#bindAll(values, types);
      },
      clearBindings: () => {
        native.clearBindings();
        this.#bindings.clear();
        this.#version += 1;
      },
      destroySync: () => {
        this.#destroy();
      },
    };
    for (const name of methodsOf(native)) {
      if (name in replacements) continue;
      if (/^bind[A-Z]/.test(name)) replacements[name] = this.#binding(name);
    }
    for (const way of Object.keys(ways) as Way[]) {
      if (!(way in native)) continue;
      replacements[way] = ways[way] === 'start' ? this.#start(way) : this.#execution(way);
    }
    this.standIn = handleProxy(native, replacements);
  }

  #binding(name: string): Method {
    const method = (this.#parts.native as unknown as Methods)[name] as Method;
    return (index, ...rest) => {
      Reflect.apply(method, this.#parts.native, [index, ...rest]);
      this.#bindings.set(String(index), [name, [index, ...rest]]);
      this.#version += 1;
    };
  }

  #bindAll(values: unknown, types: unknown): void {
    const { native } = this.#parts;
    const isList = Array.isArray(values);
    for (const [name, value] of Object.entries(values as object)) {
      const index = isList ? Number(name) + 1 : native.parameterIndex(name);
      const usable = isList === Array.isArray(types);
      const type = usable ? (types as Record<string, unknown> | undefined)?.[name] : undefined;
      this.#bindings.set(String(index), ['bindValue', [index, value, type]]);
    }
    this.#version += 1;
  }

  #execution(way: Way): Method {
    const { bridge, sql, compile, leg } = this.#parts;
    return (...args) => {
      const version = this.#version;
      const bindings = [...this.#bindings.values()];
      const work: Work = async (connection, given, again) => {
        const bound = given as readonly Binding[];
        if (again) return this.#runAgain(connection, bound, way, args);
        const native = await this.#on(connection, bound, version);
        return (native as unknown as Methods)[way]?.(...args);
      };
      return bridge.run({
        operation: ways[way],
        text: sql,
        values: bindings,
        keyedBy: bindings.map(([, [, value]]) => value),
        work,
        opens: openedBy(way),
        only: compile === undefined ? leg : undefined,
      });
    };
  }

  /** The driver hands out a pending result at once, so that there is no time to compile it anywhere else. */
  #start(way: Way): Method {
    const { bridge, native, sql, leg } = this.#parts;
    return () => {
      bridge.startsAtOnce(sql, leg);
      return (native as unknown as Methods)[way]?.();
    };
  }

  /** The statement on a connection, with what was bound when it was executed. */
  async #on(
    connection: DuckDBConnection,
    bindings: readonly Binding[],
    version: number,
  ): Promise<DuckDBPreparedStatement> {
    const { native, compile } = this.#parts;
    // The first one goes on being bound by its owner.
    const isFirst = connection === this.#parts.connection && version === this.#version;
    if (isFirst || this.#isDestroyed || compile === undefined) return native;
    let compiled = this.#compiled.get(connection);
    if (compiled === undefined) {
      compiled = { native: await compile(connection), version: -1 };
      this.#compiled.set(connection, compiled);
    }
    if (compiled.version !== version) {
      compiled.native.clearBindings();
      bindTo(compiled.native, bindings);
      compiled.version = version;
    }
    return compiled.native;
  }

  async #runAgain(
    connection: DuckDBConnection,
    bindings: readonly Binding[],
    way: Way,
    args: readonly unknown[],
  ): Promise<unknown> {
    const { compile } = this.#parts;
    const native = await compile?.(connection);
    if (native === undefined) return undefined;
    try {
      bindTo(native, bindings);
      return await (native as unknown as Methods)[way]?.(...args);
    } finally {
      native.destroySync();
    }
  }

  #destroy(): void {
    this.#isDestroyed = true;
    this.#parts.native.destroySync();
    for (const { native } of this.#compiled.values()) native.destroySync();
    this.#compiled.clear();
  }
}

function bindTo(native: DuckDBPreparedStatement, bindings: readonly Binding[]): void {
  for (const [method, args] of bindings) (native as unknown as Methods)[method]?.(...args);
}

function methodsOf(object: object): readonly string[] {
  const prototype = Object.getPrototypeOf(object) as object;
  return Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .filter(([name, { value }]) => typeof value === 'function' && name !== 'constructor')
    .map(([name]) => name);
}
