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
  return verdict.decision === 'PROMOTE' && !asks
    ? [`changeover promote ${typedKey(keyStatus)} --reason "..."`]
    : verdict.next;
}

/** The same of several keys, each line once. */
export function nextOfKeys(
  migration: Migration,
  keyStatuses: readonly KeyStatus[],
): readonly string[] {
  return [...new Set(keyStatuses.flatMap((one) => nextCommands(migration, one)))];
}
