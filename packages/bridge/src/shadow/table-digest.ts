import type { Digest } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { WriteContext } from './write-context.ts';

/** A table's rows as the legacy leg reads them, in the background and up to the size limit. */
export async function tableDigest(
  context: WriteContext,
  resolved: ResolvedCall,
  table: string,
  signal: AbortSignal,
): Promise<Digest | 'too-large' | 'failed'> {
  const { maxRows } = resolved.decision.settings;
  const read = context.tableRead?.(resolved.key, table, maxRows + 1);
  if (read === undefined) return 'failed';
  const outcome = await context.caller.digest('legacy', { ...read, signal }, 'rows');
  if (outcome.kind === 'error') return 'failed';
  return outcome.digest.count > maxRows ? 'too-large' : outcome.digest;
}
