import type { OperationDefinition, Undetermined } from '@changeover/core';

/** What one call of a classified statement is, as far as the bridge asks. */
export interface StatementKind {
  /** `unknown` counts as acting: it runs once, on the answering leg, and is not compared. */
  readonly effect: 'reads' | 'acts' | 'unknown';
  /** Whether its rows come in a promised order. Default: `none`. */
  readonly order?: 'total' | 'ties' | 'none';
  /** The text without its literals, for reports and quotas. */
  readonly shape?: string;
  /** Why its answer may differ from run to run. */
  readonly undetermined?: Undetermined | undefined;
}

/** Tells what a statement does, at once and without I/O; what it can't tell is `unknown`. */
export interface StatementClassifier {
  classify(sql: string): StatementKind;
}

interface CommonOptions<Args extends Arguments = never> {
  /** The last argument is a Node callback `(error, value)`: it is called once, by the answering leg's outcome. */
  readonly callback?: 'last' | undefined;
  /** Tells calls apart that are to be judged apart, as a search by name and a search by place are: each shape is compared and counted
   * by itself. A name of at most 1,000 characters, never with values in it, for it is stored and shown; a key has at most 1,000 of
   * them, and what comes after, or throws, is counted together. Asked at each call on the caller's path. Default: one shape. */
  readonly shape?: ((...args: Args) => string) | undefined;
}

/** The arguments of a method. */
type Arguments = readonly unknown[];

/**
 * How the answers of a read are compared.
 *
 * TypeScript can't see from inside a call which object its answer will describe, so a function here names the types of its
 * parameters; they are checked against the method. What is not named is `unknown`.
 */
export interface ReadOptions<
  Answer = never,
  Args extends Arguments = never,
> extends CommonOptions<Args> {
  /** What an answer is compared as, where it is or holds instances of classes: `(user: User) => ({ id: user.id })`. Without it
   * such answers are inconclusive, for two of them can differ in what can't be seen. */
  readonly compareAs?: ((answer: Answer) => unknown) | undefined;
  /** `pure`: the functions that callers pass (`(user) => user.active`) change nothing, and the other leg may run them too. Default:
   * a call that is given a function is not compared, for what the function does would be done twice. */
  readonly functions?: 'pure' | undefined;
  /** True for an operation that answers promises at every stage although the legacy leg answers at once: change the call sites
   * first, then move to an asynchronous pooled leg. Default: the operation answers as the legacy leg does. */
  readonly async?: boolean | undefined;
  /** Whether the order of the rows is promised. Default: it is not, for `read.rows()`. */
  readonly ordered?: boolean | ((...args: Args) => boolean) | undefined;
}

/** How a write is compared at `shadow`; without any it runs once and is not compared. Functions name the types of their
 * parameters, as in {@link ReadOptions}. */
export interface WriteOptions<
  Pooled = never,
  Either = never,
  Args extends Arguments = never,
> extends CommonOptions<Args> {
  /** Makes the write on the pooled leg in a transaction that it rolls back, and resolves to what the legacy leg's answer (or what
   * `observe` reads) must equal. Called before the real write, inside the flag's rehearsal budget. */
  readonly rehearse?: ((pooled: Pooled, ...args: Args) => Promise<unknown>) | undefined;
  /** Reads what the write left, from the leg that it is given: called on both legs after the real write, and compared. */
  readonly observe?: ((leg: Either, ...args: Args) => unknown) | undefined;
  /** True for a call that reads and then writes what depends on it, or runs a function of the caller's that does: no other write
   * of the key comes between, as on the singleton. Default: false. */
  readonly exclusive?: boolean | undefined;
}

/** A read: answered by the answering leg, compared with the other one. */
export interface ReadOperation<Answer = never, Args extends Arguments = never> extends ReadOptions<
  Answer,
  Args
> {
  readonly kind: 'read';
  readonly result: 'rows' | 'value';
}

/** A write: made once, by the answering leg. */
export interface WriteOperation<
  Pooled = never,
  Either = never,
  Args extends Arguments = never,
> extends WriteOptions<Pooled, Either, Args> {
  readonly kind: 'write';
}

/** Runs the caller's function with whatever the leg gives it; all of it on one leg. */
export interface TransactionOperation<Args extends Arguments = never> extends CommonOptions<Args> {
  readonly kind: 'transaction';
}

/** About the object itself, as `close` is: both legs get the call, the legacy leg's answer is given. */
export interface ControlOperation {
  readonly kind: 'control';
}

/** Read or write by the statement that is its first argument. */
export interface StatementOperation extends CommonOptions {
  readonly kind: 'statement';
  readonly classifier: StatementClassifier;
}

/** Never moves: always the legacy leg's, counted as not compared. */
export interface LegacyOnlyOperation {
  readonly kind: 'legacyOnly';
}

/** Said in the router's own terms, for an API that can say more of a call than the other declarations do. */
export interface DefinedOperation {
  readonly kind: 'defined';
  readonly definition: OperationDefinition;
}

/** An object inside the legacy object, bridged likewise. */
export interface SubOperations {
  readonly kind: 'sub';
  readonly operations: Readonly<Record<string, OperationSpec>>;
}

/** What a bridge is told of one member. */
export type OperationSpec =
  | ReadOperation
  | WriteOperation
  | TransactionOperation
  | ControlOperation
  | StatementOperation
  | LegacyOnlyOperation
  | DefinedOperation
  | SubOperations;

/** Of a method that takes a Node callback last, where the answer is the callback's value. */
interface ByCallback {
  readonly callback: 'last';
}

interface Read {
  /** A read whose answer is compared as one value. */
  <Answer = unknown, Args extends Arguments = Arguments>(
    options: ReadOptions<Answer, Args> & ByCallback,
  ): ReadOperation<Answer, Args> & { readonly result: 'value' } & ByCallback;
  <Answer = unknown, Args extends Arguments = Arguments>(
    options?: ReadOptions<Answer, Args>,
  ): ReadOperation<Answer, Args> & { readonly result: 'value' };
  /** A read whose answer is a list of rows, or `{ rows }`: compared row by row, in any order unless `ordered`. */
  rows: {
    <Answer = unknown, Args extends Arguments = Arguments>(
      options: ReadOptions<Answer, Args> & ByCallback,
    ): ReadOperation<Answer, Args> & { readonly result: 'rows' } & ByCallback;
    <Answer = unknown, Args extends Arguments = Arguments>(
      options?: ReadOptions<Answer, Args>,
    ): ReadOperation<Answer, Args> & { readonly result: 'rows' };
  };
}

/** Declares a read. Compared at `shadow` and `reverse`; it must act on nothing, for the other leg runs it too. */
export const read: Read = Object.assign(
  (options: object = {}) => ({ ...options, kind: 'read', result: 'value' }) as never,
  { rows: (options: object = {}) => ({ ...options, kind: 'read', result: 'rows' }) as never },
);

/** Declares a write. It runs once whatever the stage; nothing calls it a second time. */
export function write<Pooled = unknown, Either = unknown, Args extends Arguments = Arguments>(
  options: WriteOptions<Pooled, Either, Args> = {},
): WriteOperation<Pooled, Either, Args> {
  return { ...options, kind: 'write' };
}

/** Declares a transaction by callback. The function runs once, synchronously where the leg calls it so. */
export function transaction<Args extends Arguments = Arguments>(
  options: CommonOptions<Args> = {},
): TransactionOperation<Args> {
  return { ...options, kind: 'transaction' };
}

/** Declares a call about the object itself, made on both legs. */
export function control(): ControlOperation;
export function control(options?: object): ControlOperation {
  // There are none: what was given all the same is kept, to be refused by the operation's name.
  return { ...options, kind: 'control' };
}

/** Declares a member that takes any statement: a read or a write by what the classifier says of its first argument. */
export function bySql(
  classifier: StatementClassifier,
  options: CommonOptions = {},
): StatementOperation {
  return { ...options, kind: 'statement', classifier };
}

/** Declares a member that stays with the legacy leg at every stage. */
export function legacyOnly(): LegacyOnlyOperation;
export function legacyOnly(options?: object): LegacyOnlyOperation {
  return { ...options, kind: 'legacyOnly' };
}

/** Declares a member in the router's own terms: its key, what a write touches, whether rows come in order, call by call. */
export function defined(definition: OperationDefinition): DefinedOperation {
  return { kind: 'defined', definition };
}

/** Declares the members of an object inside: `nodes: sub({ upsert: write(), list: read.rows() })`. */
export function sub<const O extends Readonly<Record<string, OperationSpec>>>(
  operations: O,
): { readonly kind: 'sub'; readonly operations: O };
export function sub(operations: Readonly<Record<string, OperationSpec>>, options?: object): object {
  return { ...options, kind: 'sub', operations };
}
