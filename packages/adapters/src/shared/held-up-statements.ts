import { AsyncResource } from 'node:async_hooks';
import type { Caller } from '@changeover/bridge';
import { TransactionWaitError } from './transaction-wait-error.ts';

interface Waiter {
  readonly caller: Caller;
  readonly issue: () => void;
}

/** A statement that is held up. */
export interface HeldUpStatement<T> {
  /** Its answer. Rejects with a {@link TransactionWaitError} where it waited too long, and was not issued. */
  readonly answer: Promise<T>;
  /** It was not issued yet, and still may be. */
  readonly waits: () => boolean;
  /** Issues it now, before its turn. Only where it {@link waits}. */
  readonly letGo: () => void;
}

/** Statements that wait until another caller's transaction on the same connection is over. Each caller's are issued in their turn. */
export class HeldUpStatements {
  readonly #isClosedTo: (caller: Caller) => boolean;
  readonly #transactionWaitMs: number;
  readonly #waiting: Waiter[] = [];

  /**
   * @param isClosedTo whether a transaction of another caller's is open now.
   * @param transactionWaitMs how long a statement waits for one, in ms.
   */
  constructor(isClosedTo: (caller: Caller) => boolean, transactionWaitMs: number) {
    this.#isClosedTo = isClosedTo;
    this.#transactionWaitMs = transactionWaitMs;
  }

  /** Whether a caller's next statement has to wait too. */
  mustWait(caller: Caller): boolean {
    if (this.#isClosedTo(caller)) return true;
    return this.#waiting.length > 0 && this.#waiting.some((waiter) => waiter.caller === caller);
  }

  /** Issues a statement as soon as it need not wait any more: in turn, and in the context of this call. */
  add<T>(caller: Caller, issue: () => Promise<T>): HeldUpStatement<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const inContext = AsyncResource.bind(issue);
    const timer = setTimeout(() => {
      this.#takeOut(waiter);
      reject(new TransactionWaitError(this.#transactionWaitMs));
    }, this.#transactionWaitMs);
    const waiter: Waiter = {
      caller,
      issue: () => {
        clearTimeout(timer);
        inContext().then(resolve, reject);
      },
    };
    this.#waiting.push(waiter);
    return {
      answer: promise,
      waits: () => this.#waiting.includes(waiter),
      letGo: () => {
        this.#takeOut(waiter);
        waiter.issue();
      },
    };
  }

  /** Issues what need not wait any more. */
  wake(): void {
    for (let at = 0; at < this.#waiting.length;) {
      const waiter = this.#waiting[at] as Waiter;
      const isBehind = this.#waiting.slice(0, at).some(({ caller }) => caller === waiter.caller);
      if (isBehind || this.#isClosedTo(waiter.caller)) {
        at += 1;
        continue;
      }
      this.#waiting.splice(at, 1);
      waiter.issue();
    }
  }

  #takeOut(waiter: Waiter): void {
    this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
  }
}
