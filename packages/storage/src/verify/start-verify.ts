import { lazyModule } from '@changeover/core';
import type { VerifyOptions } from './verify-options.ts';
import type { VerifyContext } from './verify-store.ts';
import type { VerifyResult } from './verify-types.ts';

/** Who only runs a bridge has no need of it. */
const load = lazyModule(() => import('./verify-store.ts'));

/**
 * Compares whole datasets or whole stores table by table: each through both legs, or with copies in another store or
 * engine. Rows are read part by part in constant memory, in snapshots, so that writers neither wait nor are seen; a
 * difference is followed down to its rows.
 *
 * Stopped by its signal or killed, it goes on from where it was when it is called again with the same options.
 *
 * Rejects with an `AbortedError` when the signal was aborted, an `InvalidArgumentError` for options that can't be, and a
 * `StorageError` where what is to be verified is not there or can't be reached. A single table that can't be read is
 * `inconclusive` and says why.
 */
export async function verifyStore(
  options: VerifyOptions = {},
  context: VerifyContext = {},
): Promise<VerifyResult> {
  const verify = await load();
  return await verify.verifyStore(options, context);
}
