import type { LedgerChange } from './ledger-store.ts';

const prefix = 'accept:';

/** What a line's `revision` says where somebody lets operations of a key step forward without comparisons: the store has no
 * column for it, and a reason is a person's own text.
 *
 * @param operations the empty string stands for none of them. */
export function acceptRevision(operations: readonly string[]): string {
  return operations.length === 0 ? '' : `${prefix}${JSON.stringify(operations)}`;
}

/** The operations that a line accepts; none where it accepts nothing, or says it in words that this version doesn't know. */
export function acceptedIn({ revision }: Pick<LedgerChange, 'revision'>): readonly string[] {
  if (!revision.startsWith(prefix)) return [];
  try {
    const operations: unknown = JSON.parse(revision.slice(prefix.length));
    return Array.isArray(operations)
      ? operations.filter((one): one is string => typeof one === 'string')
      : [];
  } catch {
    return [];
  }
}
