import type Database from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { type StatementTraits, unknownTraits } from '../shared/statement-traits.ts';

/** The driver's own statement. */
export type NativeStatement = Database.Statement;

/** What {@link PreparedText} asks of what it is part of. */
export interface StatementContext {
  /** Moves whenever what statements mean may have changed. */
  readonly meaning: number;
  /** What the handle's `defaultSafeIntegers` was set to last. */
  readonly safeIntegers: boolean;
  classify(sql: string): StatementTraits;
}

/** The shape of rows, as the driver has it: one of them at a time. */
const shapes = { pluck: 1, expand: 2, raw: 3 } as const;
export type Shape = keyof typeof shapes;
const shapeNames: readonly (Shape | undefined)[] = [undefined, 'pluck', 'expand', 'raw'];
const shapeBits = 3;
const bigIntegers = 4;

/** After so many uses a statement is classified anew, for what other processes did to the schema. */
const usesPerLook = 1_000;

interface Compiled {
  readonly connection: Connection;
  readonly native: NativeStatement;
  mode: number;
}

/**
 * A statement whichever connection runs it: compiled on each where it is first run, with the shape of rows and the bound values
 * that its caller chose.
 */
export class PreparedText {
  readonly #sql: string;
  readonly #context: StatementContext;
  readonly #compiled = new Map<Connection, Compiled>();
  #latest: Compiled;
  #mode: number;
  #bound: readonly unknown[] | undefined;
  #traits: StatementTraits = unknownTraits;
  #meaning = -1;
  #usesLeft = 0;

  /** @throws what the driver throws for a text that can't be compiled. */
  constructor(sql: string, context: StatementContext, connection: Connection) {
    this.#sql = sql;
    this.#context = context;
    this.#mode = context.safeIntegers ? bigIntegers : 0;
    this.#latest = this.#compile(connection);
  }

  get sql(): string {
    return this.#sql;
  }

  /** What a comparison knows the statement by, as an argument among a call's. */
  toJSON(): string {
    return this.#sql;
  }

  /** The shape of rows and of integers, as a number that a call takes along. */
  get mode(): number {
    return this.#mode;
  }

  /** The driver's statement that was used last. */
  get latest(): NativeStatement {
    return this.#latest.native;
  }

  /** The text with the bound values in it, where they were bound for good. */
  get expanded(): string {
    // The driver's own, which its types don't name.
    return (this.#latest.native as { toString(): string }).toString();
  }

  /** What the statement does. */
  get traits(): StatementTraits {
    const { meaning } = this.#context;
    if (this.#meaning === meaning && this.#usesLeft > 0) {
      this.#usesLeft -= 1;
      return this.#traits;
    }
    const traits = this.#context.classify(this.#sql);
    // What the engine has compiled as a statement that only reads leaves the schema as it is, whatever else can't be told.
    this.#traits =
      traits.changesSchema && this.latest.readonly ? { ...traits, changesSchema: false } : traits;
    this.#meaning = meaning;
    this.#usesLeft = traits.known ? usesPerLook : 0;
    return this.#traits;
  }

  /** The driver's statement on a connection, for a caller. */
  on(connection: Connection, mode: number): NativeStatement {
    const latest = this.#latest;
    const compiled = latest.connection === connection ? latest : this.#on(connection);
    this.#latest = compiled;
    if (compiled.mode !== mode) setMode(compiled, mode);
    return compiled.native;
  }

  /** The same for a comparison; undefined while a caller reads from it row by row. */
  besides(connection: Connection, mode: number): NativeStatement | undefined {
    const compiled = this.#on(connection);
    if (compiled.native.busy) return undefined;
    if (compiled.mode !== mode) setMode(compiled, mode);
    return compiled.native;
  }

  /** Chooses the shape of rows, as the driver does. */
  shape(name: Shape, args: readonly unknown[]): void {
    const { native } = this.#current();
    Reflect.apply(native[name] as (...args: readonly unknown[]) => unknown, native, args);
    const own = shapes[name];
    if (args.length === 0 || args[0] === true) this.#mode = (this.#mode & ~shapeBits) | own;
    else if ((this.#mode & shapeBits) === own) this.#mode &= ~shapeBits;
    this.#latest.mode = this.#mode;
  }

  /** Chooses whether integers are given as `bigint`. */
  integers(args: readonly unknown[]): void {
    const { native } = this.#current();
    Reflect.apply(native.safeIntegers as (...args: readonly unknown[]) => unknown, native, args);
    this.#mode =
      args.length === 0 || args[0] === true ? this.#mode | bigIntegers : this.#mode & ~bigIntegers;
    this.#latest.mode = this.#mode;
  }

  /** Binds values for good. */
  bind(values: readonly unknown[]): void {
    this.#latest.native.bind(...values);
    this.#bound = values.map(copied);
    // One that was compiled elsewhere before has none yet.
    for (const other of this.#compiled.values())
      if (other !== this.#latest) other.native.bind(...this.#bound);
  }

  #current(): Compiled {
    if (this.#latest.mode !== this.#mode) setMode(this.#latest, this.#mode);
    return this.#latest;
  }

  #on(connection: Connection): Compiled {
    const compiled = this.#compiled.get(connection);
    if (compiled !== undefined) return compiled;
    // Those of connections that were closed meanwhile are of no more use.
    for (const { database } of this.#compiled.keys()) if (!database.open) this.#compiled.clear();
    return this.#compile(connection);
  }

  #compile(connection: Connection): Compiled {
    const native = connection.database.prepare(this.#sql);
    if (this.#bound !== undefined) native.bind(...this.#bound);
    const mode = this.#context.safeIntegers ? bigIntegers : 0;
    const compiled = { connection, native, mode };
    this.#compiled.set(connection, compiled);
    return compiled;
  }
}

function setMode(compiled: Compiled, mode: number): void {
  const { native } = compiled;
  const changed = compiled.mode ^ mode;
  if ((changed & bigIntegers) !== 0) native.safeIntegers((mode & bigIntegers) !== 0);
  if ((changed & shapeBits) !== 0) {
    const before = shapeNames[compiled.mode & shapeBits];
    const after = shapeNames[mode & shapeBits];
    if (after !== undefined) native[after](true);
    else if (before !== undefined) native[before](false);
  }
  compiled.mode = mode;
}

/** Values as the driver has bound them: what the caller does to its objects afterwards is not seen. */
function copied(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copied);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copied(each)]));
}
