import { stages } from '@changeover/core';
import { typedKey, typedWord } from '@changeover/bridge';
import { isWhole } from './ledger-lines.ts';
import type { KeyStatus, Migration } from './migration.ts';

/** What to type so that what nothing compares passes; empty where there is nothing of that. */
export function acceptCommands(
  migration: Migration,
  { backend, key, stage, line }: KeyStatus,
): readonly string[] {
  if (line?.held === true || stage === 'legacy' || stage === 'pooled') return [];
  const verdict = migration.keyVerdict(backend, key);
  return typeof verdict === 'string' ? [] : verdict.next;
}

/** What to type so that a key goes on; empty where waiting is all there is to do. */
export function nextCommands(migration: Migration, keyStatus: KeyStatus): readonly string[] {
  const { backend, key, stage, line, flag } = keyStatus;
  if (line?.held === true) {
    const held = isWhole(line) ? typedWord(backend) : typedKey(keyStatus);
    return [`changeover resume ${held} --reason "..."`];
  }
  if (stage === 'legacy' || stage === 'pooled') return [];
  const verdict = migration.keyVerdict(backend, key);
  if (typeof verdict === 'string') return [];
  if (verdict.decision === 'ROLL BACK')
    return [`changeover rollback ${typedKey(keyStatus)} --reason "..."`];
  const asks = stages.indexOf(flag.stage) > stages.indexOf(stage);
  if (verdict.decision === 'PROMOTE')
    return asks ? [] : [`changeover promote ${typedKey(keyStatus)} --reason "..."`];
  // What holds a key is looked at first where nothing that is typed lets it go on.
  return verdict.decision === 'HOLD' && verdict.next.length === 0
    ? [lookCommand(migration, keyStatus)]
    : verdict.next;
}

/** What shows why a key is held back by its gates: the calls that differ where there are some. */
function lookCommand(migration: Migration, keyStatus: KeyStatus): string {
  const { mismatch, inconclusive } = differences(migration, keyStatus);
  return `changeover ${mismatch + inconclusive > 0 ? 'mismatches' : 'explain'} ${typedKey(keyStatus)}`;
}

/** How many comparisons of a key were mismatches, and how many could not be explained. */
export function differences(
  { recordings }: Migration,
  { backend, key }: Pick<KeyStatus, 'backend' | 'key'>,
): { readonly mismatch: number; readonly inconclusive: number } {
  const own = recordings?.byDataset.find((one) => one.backend === backend && one.dataset === key);
  return { mismatch: own?.mismatch ?? 0, inconclusive: own?.inconclusive ?? 0 };
}

/** The same of several keys, each line once. */
export function nextOfKeys(
  migration: Migration,
  keyStatuses: readonly KeyStatus[],
): readonly string[] {
  return [...new Set(keyStatuses.flatMap((one) => nextCommands(migration, one)))];
}
