import { stages } from '@changeover/core';
import { durationText, flagsDecideAloneText, type KeyVerdict, stageFlag } from '@changeover/bridge';
import { isWhole } from './ledger-lines.ts';
import type { KeyStatus, Migration } from './migration.ts';

/** In one sentence why a key is not where its flag points; undefined where it is. */
export function whyNotAtTarget(
  migration: Migration,
  { backend, key, stage, by, flag, line }: KeyStatus,
): string | undefined {
  if (stage === flag.stage) return undefined;
  const there = `${backend} ${key} is on ${stage} and not on ${flag.stage}, where ${stageFlag(backend)} points, because`;
  if (by === 'hold' && line !== undefined)
    return `${there} ${isWhole(line) ? `all of ${backend}` : 'it'} is held at ${line.to} by ${line.who}: ${line.reason}.`;
  if (!migration.ledgerDecides) return `${there} the flag alone decides here.`;
  if (stage === 'legacy')
    return `${there} no program that runs has taken the step to shadow yet: its next call does.`;
  const verdict = migration.keyVerdict(backend, key);
  if (typeof verdict === 'string') return `${there} its gates can't be asked: ${verdict}`;
  const { decision, reason } = verdict;
  return decision === 'PROMOTE'
    ? `${there} a key makes one stage at a time: its gates hold, and a program that runs takes the next step within seconds.`
    : `${there} its gates say ${decision}: ${reason}`;
}

/** About how long until a key stands at `pooled` by itself: `pooled in about 4 min`; undefined where that can't be told. */
export function aheadText({
  aboutMs,
  stage,
}: Pick<KeyVerdict, 'aboutMs' | 'stage'>): string | undefined {
  if (aboutMs === undefined || stage === 'pooled') return undefined;
  const unitMs = aboutMs < 60_000 ? 10_000 : 60_000;
  return `pooled in about ${durationText(Math.max(1, Math.ceil(aboutMs / unitMs)) * unitMs)}`;
}

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
  if (line?.held === true)
    return [`changeover resume ${isWhole(line) ? backend : `${backend} ${key}`} --reason "..."`];
  if (stage === 'legacy' || stage === 'pooled') return [];
  const verdict = migration.keyVerdict(backend, key);
  if (typeof verdict === 'string') return [];
  if (verdict.decision === 'ROLL BACK')
    return [`changeover rollback ${backend} ${key} --reason "..."`];
  const asks = stages.indexOf(flag.stage) > stages.indexOf(stage);
  return verdict.decision === 'PROMOTE' && !asks
    ? [`changeover promote ${backend} ${key} --reason "..."`]
    : verdict.next;
}

/** What a reader must know of who decides; empty where the ledger does. */
export function whoDecidesNotes(migration: Migration): readonly string[] {
  return migration.ledgerDecides ? [] : [flagsDecideAloneText];
}
