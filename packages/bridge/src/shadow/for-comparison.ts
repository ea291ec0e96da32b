import { AsyncLocalStorage } from 'node:async_hooks';
import { isPromise } from '../call/answers.ts';

/** A call that is made for comparison's sake; `ended` as soon as it has its answer, for what it opened lives on in its context. */
interface ComparedCall {
  ended: boolean;
}

const storage = new AsyncLocalStorage<ComparedCall>();
let isAsked = false;

/** From now on {@link isForComparison} is asked. Until then calls are made without a context of their own, which has its price. */
export function askForComparison(): void {
  isAsked = true;
}

/** Whether the running code is part of a call that no caller made. */
export function isForComparison(): boolean {
  return storage.getStore()?.ended === false;
}

/** Makes a call for comparison's sake: its answer, in the same tick where the leg answers so. */
export function callForComparison(call: () => unknown): unknown {
  if (!isAsked) return call();
  const made: ComparedCall = { ended: false };
  const end = (): void => {
    made.ended = true;
  };
  try {
    const answer = storage.run(made, call);
    if (!isPromise(answer)) {
      end();
      return answer;
    }
    return Promise.resolve(answer).finally(end);
  } catch (error) {
    end();
    throw error;
  }
}
