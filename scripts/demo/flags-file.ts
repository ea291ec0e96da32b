import { renameSync, writeFileSync } from 'node:fs';
import { type Engine, engines, type Stage, stages } from 'changeover';

const variantOf: Readonly<Record<Stage, string>> = {
  legacy: '0-legacy',
  shadow: '1-shadow',
  reverse: '2-reverse',
  pooled: '3-pooled',
};

/** Writes the flags as the flag server would send them; in one step, so that no reader sees half a file. */
export function writeFlags(path: string, wanted: Readonly<Record<Engine, Stage>>): void {
  const parent = { name: 'changeover', type: 'kill-switch', enabled: true, strategies: [] };
  const features = engines.map((engine) => ({
    name: `changeover.${engine}`,
    type: 'migration',
    enabled: true,
    dependencies: [{ feature: 'changeover', enabled: true }],
    strategies: [
      {
        name: 'flexibleRollout',
        parameters: { rollout: '100', stickiness: 'dataset', groupId: `changeover.${engine}` },
        constraints: [],
        variants: stages.map((stage) => ({
          name: variantOf[stage],
          weight: stage === wanted[engine] ? 1000 : 0,
          weightType: 'fix',
          stickiness: 'dataset',
          payload: { type: 'json', value: '{"sampleRate": 1}' },
        })),
      },
    ],
  }));
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, JSON.stringify({ version: 2, features: [parent, ...features] }, null, 2));
  renameSync(beside, path);
}
