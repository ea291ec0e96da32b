import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

/** Between a caller's rounds, in ms, as people pause: one client that is busy without a break leaves no time to compare in. */
const pauseMs = 50;

/** Callers that order and look at what they ordered, one request after another each, until they are told to stop. */
export interface Load {
  /** References of the orders that the server acknowledged. */
  readonly acknowledged: readonly string[];
  /** Requests that were answered. */
  readonly answered: () => number;
  /** Ends when each caller's last request is answered. @throws for the first answer that was not right. */
  stop(): Promise<void>;
}

/** @param url where the server listens. */
export function startLoad(url: string, callers: number): Load {
  const acknowledged: string[] = [];
  let answered = 0;
  let stopped = false;

  const order = async (reference: string): Promise<void> => {
    const made = await fetch(`${url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reference, item: 'pear' }),
    });
    const body = (await made.json()) as { readonly number: number };
    assert.equal(made.status, 201, `${reference}: ${JSON.stringify(body)}`);
    acknowledged.push(reference);
    // What was acknowledged is there for the next request, whichever leg answers that one.
    const seen = await fetch(`${url}/orders/${reference}`);
    assert.deepEqual(await seen.json(), [{ number: body.number, reference, item: 'pear' }]);
    const items = await fetch(`${url}/items`);
    assert.equal(items.status, 200, await items.text());
    answered += 3;
  };
  const call = async (caller: number): Promise<void> => {
    for (let at = 0; !stopped; at += 1) {
      await order(`${String(caller)}-${String(at)}`);
      await pause(pauseMs);
    }
  };
  const all = Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  // Whoever stops the load is told; it may go wrong before.
  all.catch(() => {
    stopped = true;
  });
  return {
    acknowledged,
    answered: () => answered,
    stop: async () => {
      stopped = true;
      await all;
    },
  };
}
