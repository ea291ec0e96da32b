import { engines, stages } from '@changeover/core';
import { killSwitchFlag, stageFlag } from '@changeover/router';

/** A flags file to begin with: every dataset on `legacy`, each stage's variant there to give weight to. */
export function exampleFlags(): string {
  const variants = stages.map((stage, at) => ({
    name: `${String(at)}-${stage}`,
    weight: stage === 'legacy' ? 1_000 : 0,
    stickiness: 'dataset',
    payload: { type: 'json', value: '{"sampleRate": 1}' },
  }));
  const features = engines.map((engine) => ({
    name: stageFlag(engine),
    type: 'release',
    enabled: true,
    strategies: [
      {
        name: 'flexibleRollout',
        parameters: { rollout: '100', stickiness: 'dataset', groupId: stageFlag(engine) },
        constraints: [],
        variants,
      },
    ],
    dependencies: [{ feature: killSwitchFlag }],
  }));
  const parent = { name: killSwitchFlag, type: 'kill-switch', enabled: true, strategies: [] };
  return `${JSON.stringify({ version: 2, features: [parent, ...features], segments: [] }, null, 2)}\n`;
}
