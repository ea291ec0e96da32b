import type {
  ControlOperation,
  DefinedOperation,
  LegacyOnlyOperation,
  ReadOperation,
  StatementOperation,
  TransactionOperation,
  WriteOperation,
} from './operations.ts';

type AnyFunction = (...args: never) => unknown;

/** The names of an object's methods. */
type MethodNames<T> = {
  [K in keyof T]-?: NonNullable<T[K]> extends AnyFunction ? K : never;
}[keyof T];

/** The names of the objects inside. */
type InsideNames<T> = {
  [K in keyof T]-?: NonNullable<T[K]> extends AnyFunction
    ? never
    : NonNullable<T[K]> extends object
      ? K
      : never;
}[keyof T];

type FunctionOf<T, K extends keyof T> = Extract<NonNullable<T[K]>, AnyFunction>;
type Arguments<T, K extends keyof T> = Parameters<FunctionOf<T, K>>;
type Answer<T, K extends keyof T> = ReturnType<FunctionOf<T, K>>;

/** What a method can be declared as: `read.rows()` only where it answers rows, or hands them to its callback. */
type SpecFor<T, R, Args extends readonly unknown[]> =
  | WriteOperation<never, T, Args>
  | TransactionOperation
  | ControlOperation
  | StatementOperation
  | LegacyOnlyOperation
  | DefinedOperation
  | (ReadOperation<Awaited<R>, Args> & { readonly result: 'value' })
  | (ReadOperation & { readonly callback: 'last' })
  | (Awaited<R> extends readonly unknown[] | { readonly rows: readonly unknown[] }
      ? ReadOperation<Awaited<R>, Args> & { readonly result: 'rows' }
      : never);

/** Any subset of an object's methods, and of the objects inside it. */
export type Operations<T> = {
  readonly [K in MethodNames<T>]?: SpecFor<T, Answer<T, K>, Arguments<T, K>>;
} & {
  readonly [K in InsideNames<T>]?: { readonly kind: 'sub'; readonly operations: object };
};

/** Refuses a name that the object has no method by, and tells those that it has. */
export type BridgeTypes<T, O> = {
  readonly [K in Exclude<keyof O, MethodNames<T> | InsideNames<T>>]: {
    readonly 'the legacy object has no such method, but': MethodNames<T> | InsideNames<T>;
  };
};

/**
 * What the pooled leg must have: the declared methods, and what rehearsals and observations use. It may answer with a promise
 * where the legacy leg answers at once.
 */
// Distributed, so that it is `never`, and no candidate for what `pooled` promises, while the operations are not known.
export type PooledLeg<T, O> = O extends unknown
  ? PooledMethods<T, O> & AsRehearsed<O[keyof O]>
  : never;

type PooledMethods<T, O> = {
  readonly [K in keyof O & keyof T as O[K] extends LegacyOnlyOperation ? never : K]: O[K] extends {
    readonly operations: infer Inside;
  }
    ? PooledLeg<NonNullable<T[K]>, Inside>
    : (...args: Arguments<T, K>) => Answer<T, K> | PromiseLike<Awaited<Answer<T, K>>>;
};

/** What the rehearsals and observations of writes take the pooled leg for: all of it at once. */
type AsRehearsed<S> = (
  S extends WriteOperation<infer P, infer E> ? (leg: Named<P> & Named<E>) => void : never
) extends (leg: infer L) => void
  ? L
  : unknown;

/** A parameter that nobody named takes anything. */
type Named<P> = [P] extends [never] ? unknown : P;

/** A key by operation, or one for all of them from what surrounds the call. */
export type KeyOption<T, O> =
  | (() => string | undefined)
  | {
      readonly [K in keyof O & keyof T]?: NonNullable<T[K]> extends AnyFunction
        ? (...args: Arguments<T, K>) => string | undefined
        : never;
    };
