import { targetText } from '@changeover/core';
import { type Engine, type Stage, StorageBackend } from 'changeover';
import type { PlantedDefect } from './defects.ts';

/** Comparisons of each dataset on each engine before the next stage. */
export const enoughCompared = 3;

/** What is to be seen at a stage before every dataset steps to the next one. */
export interface StageGate {
  /** What is missing, each in words; empty where nothing is. */
  missing(): readonly string[];
}

/** Passed when enough calls of every dataset were compared on every engine. */
export function comparedGate(
  stage: Stage,
  engines: readonly Engine[],
  datasets: readonly string[],
): StageGate {
  return {
    missing: () => {
      const { cells } = StorageBackend.bridge().recorder.summary();
      const compared = new Map<string, number>();
      for (const cell of cells) {
        if (cell.stage !== stage) continue;
        const name = `${cell.backend} ${cell.dataset ?? ''}`;
        compared.set(name, (compared.get(name) ?? 0) + cell.compared);
      }
      return engines.flatMap((engine) =>
        datasets.flatMap((dataset) => {
          const lacking = enoughCompared - (compared.get(`${engine} ${dataset}`) ?? 0);
          return lacking <= 0
            ? []
            : [`${engine} ${dataset} needs ${lacking} more comparisons at ${stage}`];
        }),
      );
    },
  };
}

/** Passed when each planted defect was found and its dataset rolled back, on every engine. */
export function defectGate(
  engines: readonly Engine[],
  defects: readonly PlantedDefect[],
): StageGate {
  return {
    missing: () => {
      const held = new Set(
        StorageBackend.bridge().guardrail.holds.map(
          ({ backend, target }) => `${backend} ${targetText(target)}`,
        ),
      );
      return engines.flatMap((engine) =>
        defects
          .filter(({ dataset }) => !held.has(`${engine} ${dataset}`))
          .map(({ dataset, what }) => `${engine} ${dataset}: "${what}" was not found yet`),
      );
    },
  };
}

/** A few of what is missing, for one line. */
export function shortened(missing: readonly string[]): string {
  const [first = '', second] = missing;
  if (second === undefined) return first;
  return `${first}, and ${missing.length - 1} more`;
}
