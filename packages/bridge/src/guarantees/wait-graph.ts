import type { Admission } from './admission.ts';

/**
 * The transaction that `nested` was made in, or one around it, if it would have to end before `nested` can: waiting would
 * be for ever. Undefined if there is none.
 *
 * Walks the graph of who waits for whom from the call that is about to wait. That is needed when a call inside a transaction
 * begins to wait, since only such a call makes something wait that others wait for; and again when it, or one before it in
 * its lane, has no earlier call to wait for any more and begins to wait for its turn.
 */
export function transactionWaitedFor(nested: Admission): Admission | undefined {
  const ancestors = new Set<Admission>();
  for (let outer = nested.parent; outer !== undefined; outer = outer.parent) ancestors.add(outer);
  const seen = new Set<Admission>([nested]);
  const open = [nested];
  for (let call = open.pop(); call !== undefined; call = open.pop()) {
    for (const other of waitedForBy(call)) {
      if (ancestors.has(other)) return other;
      if (seen.has(other)) continue;
      seen.add(other);
      open.push(other);
    }
  }
  return undefined;
}

function* waitedForBy(call: Admission): Generator<Admission, void> {
  switch (call.state) {
    case 'waits for order':
      yield* earlierOfLane(call);
      break;
    case 'waits for turn':
      if (call.previous !== undefined) yield call.previous;
      for (const other of call.gate.inFlight) if (other.traits.kind !== 'read') yield other;
      break;
    case 'in flight':
      // A transaction ends after the calls that are made in it.
      if (call.nested !== undefined) yield* call.nested;
      break;
    case 'waived':
    case 'cut':
    case 'over':
      return;
  }
  const serial = call.gate.serial[call.traits.leg];
  // Of the transactions on such a leg only the one that runs has calls inside it, and it is ahead of all the others'.
  if (serial !== undefined)
    for (const other of serial.transactions) if (other !== call) yield other;
}

function* earlierOfLane(call: Admission): Generator<Admission, void> {
  const isRead = call.traits.kind === 'read';
  for (let other = call.previous; other !== undefined; other = other.previous) {
    const otherIsRead = other.traits.kind === 'read';
    if (!isRead || !otherIsRead) yield other;
    if (!otherIsRead) return;
  }
  const { leg, legKeepsOrder } = call.traits;
  for (const other of call.gate.unfinishedOf(call.lane)) {
    if (legKeepsOrder && other.handed && other.traits.leg === leg) continue;
    if (!isRead || other.traits.kind !== 'read') yield other;
  }
}
