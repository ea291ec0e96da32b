import { stages } from '@changeover/core';
import { killSwitchFlag, stageFlag } from '@changeover/bridge';

/** A flags file to begin with: every key on `legacy`, each stage's variant there to give weight to. */
export function exampleFlags(backends: readonly string[]): string {
  const variants = stages.map((stage, at) => ({
    name: `${String(at)}-${stage}`,
    weight: stage === 'legacy' ? 1_000 : 0,
    stickiness: 'dataset',
    payload: { type: 'json', value: '{"sampleRate": 1}' },
  }));
  const features = backends.map((backend) => ({
    name: stageFlag(backend),
    type: 'release',
    enabled: true,
    strategies: [
      {
        name: 'flexibleRollout',
        parameters: { rollout: '100', stickiness: 'dataset', groupId: stageFlag(backend) },
        constraints: [],
        variants,
      },
    ],
    dependencies: [{ feature: killSwitchFlag }],
  }));
  const parent = { name: killSwitchFlag, type: 'kill-switch', enabled: true, strategies: [] };
  return `${JSON.stringify({ version: 2, features: [parent, ...features], segments: [] }, null, 2)}\n`;
}
