import { renameSync, writeFileSync } from 'node:fs';
import { type Engine, engines, type Stage, stages } from '@changeover/core';

/** Writes a flags file in one step, with every dataset of an engine on one stage. */
export function writeTestFlags(path: string, wanted: Readonly<Partial<Record<Engine, Stage>>>): void {
  const features = engines.map((engine) => ({
    name: `changeover.${engine}`, type: 'migration', enabled: true,
    dependencies: [{ feature: 'changeover', enabled: true }],
    strategies: [{
      name: 'flexibleRollout', parameters: { rollout: '100', stickiness: 'dataset', groupId: `changeover.${engine}` }, constraints: [],
      variants: stages.map((stage, at) => ({
        name: `${String(at)}-${stage}`, weight: stage === (wanted[engine] ?? 'legacy') ? 1_000 : 0, stickiness: 'dataset',
      })),
    }],
  }));
  const parent = { name: 'changeover', type: 'kill-switch', enabled: true, strategies: [] };
  writeFileSync(`${path}.new`, JSON.stringify({ version: 2, features: [parent, ...features] }));
  renameSync(`${path}.new`, path);
}
