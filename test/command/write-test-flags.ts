import { renameSync, writeFileSync } from 'node:fs';
import { engines } from '@changeover/engines';
import { type Stage, stages } from '@changeover/core';

interface TestFeature {
  readonly name: string;
  readonly type: string;
  readonly enabled: boolean;
  readonly dependencies?: readonly { readonly feature: string; readonly enabled: boolean }[];
  readonly strategies: readonly {
    readonly name: string;
    readonly variants: readonly { readonly weight: number }[];
  }[];
}

/** Flags with every dataset of an engine on one stage. */
export function testFlags(
  wanted: Readonly<Record<string, Stage>>,
  payload?: object,
): {
  version: number;
  features: TestFeature[];
} {
  const features = [...new Set<string>([...engines, ...Object.keys(wanted)])].map((engine) => ({
    name: `changeover.${engine}`,
    type: 'migration',
    enabled: true,
    dependencies: [{ feature: 'changeover', enabled: true }],
    strategies: [
      {
        name: 'flexibleRollout',
        parameters: { rollout: '100', stickiness: 'dataset', groupId: `changeover.${engine}` },
        constraints: [],
        variants: stages.map((stage, at) => ({
          name: `${String(at)}-${stage}`,
          weight: stage === (wanted[engine] ?? 'legacy') ? 1_000 : 0,
          stickiness: 'dataset',
          ...(payload === undefined
            ? {}
            : { payload: { type: 'json', value: JSON.stringify(payload) } }),
        })),
      },
    ],
  }));
  const parent = { name: 'changeover', type: 'kill-switch', enabled: true, strategies: [] };
  return { version: 2, features: [parent, ...features] };
}

/** Writes them in one step. */
export function writeTestFlags(
  path: string,
  wanted: Readonly<Record<string, Stage>>,
  payload?: object,
): void {
  writeFileSync(`${path}.new`, JSON.stringify(testFlags(wanted, payload)));
  renameSync(`${path}.new`, path);
}
