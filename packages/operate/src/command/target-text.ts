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

/** What a reader must know of who decides; empty where the ledger does. */
export function whoDecidesNotes(migration: Migration): readonly string[] {
  return migration.ledgerDecides ? [] : [flagsDecideAloneText];
}
