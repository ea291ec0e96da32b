import type {
  ControlOperation,
  DefinedOperation,
  LegacyOnlyOperation,
  OperationSpec,
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

/** What a method can be declared as: `read.rows()` only where it answers rows. */
type SpecFor<R> =
  | WriteOperation
  | TransactionOperation
  | ControlOperation
  | StatementOperation
  | LegacyOnlyOperation
  | DefinedOperation
  | (ReadOperation & { readonly result: 'value' })
  | (Awaited<R> extends readonly unknown[] | { readonly rows: readonly unknown[] }
      ? ReadOperation & { readonly result: 'rows' }
      : never);

/** Any subset of an object's methods, and of the objects inside it. */
export type Operations<T> = {
  readonly [K in MethodNames<T>]?: SpecFor<Answer<T, K>>;
} & {
  readonly [K in InsideNames<T>]?: { readonly kind: 'sub'; readonly operations: object };
};

/** Refuses a name that the object has no method by. */
export type BridgeTypes<T, O> = {
  readonly [K in Exclude<keyof O, MethodNames<T> | InsideNames<T>>]: never;
};

/** The methods that the pooled leg must have. It may answer with a promise where the legacy leg answers at once. */
export type PooledLeg<T, O> = {
  readonly [K in keyof O & keyof T as O[K] extends LegacyOnlyOperation ? never : K]: O[K] extends
    OperationSpec | { readonly kind: 'sub' }
    ? NonNullable<T[K]> extends AnyFunction
      ? (...args: Arguments<T, K>) => Answer<T, K> | PromiseLike<Awaited<Answer<T, K>>>
      : O[K] extends { readonly kind: 'sub'; readonly operations: infer P }
        ? PooledLeg<NonNullable<T[K]>, P>
        : never
    : never;
};

/** A key by operation, or one for all of them from what surrounds the call. */
export type KeyOption<T, O> =
  | (() => string | undefined)
  | {
      readonly [K in keyof O & keyof T]?: NonNullable<T[K]> extends AnyFunction
        ? (...args: Arguments<T, K>) => string | undefined
        : never;
    };
