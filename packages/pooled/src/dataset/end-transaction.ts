import type { Clock } from '@changeover/core';
import type { Lease } from '../pool/lease.ts';
import type { PooledSession } from '../pooled-session.ts';

/** How long an engine may take to give up what runs and to roll back, before its connection is ended. */
const rollbackMs = 500;

/** Ends a transaction from outside: asks the engine first, and ends the connection where that doesn't help. Nothing of it is left
 * at the engine when it resolves, as far as that can be seen from here. The lease has ended then. Never rejects. */
export async function endTransactionNow(lease: Lease<PooledSession>, clock: Clock): Promise<void> {
  if (!lease.held) return;
  const session = lease.resource;
  if (lease.busy) void session.cancel();
  if (await isRolledBack(session, clock)) {
    lease.release();
    return;
  }
  await session.end();
  lease.discard('broken');
}

async function isRolledBack(session: PooledSession, clock: Clock): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = clock.after(rollbackMs, () => {
    resolve(false);
  });
  const rolledBack = session.run({ kind: 'rollback' }).then(
    () => session.connected && session.transactionState === 'none',
    () => false,
  );
  const inTime = await Promise.race([rolledBack, late]);
  timer.cancel();
  return inTime;
}
