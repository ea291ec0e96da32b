import { type Stage, stages } from '@changeover/core';
import { checkFlags, readFlagsText, stageFlag } from '@changeover/bridge';
import { CommandError } from './command-error.ts';
import { replaceFile } from './replace-file.ts';

interface Variant {
  readonly name: string;
  readonly payload?: unknown;
}
interface Strategy {
  readonly constraints?: readonly unknown[];
  readonly variants?: readonly Variant[];
}
interface Feature {
  readonly name: string;
  strategies: Strategy[];
}

/**
 * Puts one key on a stage in a flags file, by a strategy of its own before all others. One that was written like that
 * before is replaced. The file is written in one step, and only if it is valid afterwards.
 *
 * @throws {CommandError} where it can't be; the file is as it was then.
 */
export function moveInFlagsFile(path: string, backend: string, key: string, stage: Stage): void {
  const document = readFlags(path);
  const name = stageFlag(backend);
  const feature = document.features.find((one) => one.name === name);
  if (feature === undefined)
    throw new CommandError(
      `Nothing was changed: ${path} has no flag ${name}. An example of it: changeover flags example ${backend}`,
    );
  const constraint = { contextName: 'dataset', operator: 'IN', values: [key] };
  const others = feature.strategies.filter(
    ({ constraints }) => JSON.stringify(constraints) !== JSON.stringify([constraint]),
  );
  const variant = `${String(stages.indexOf(stage))}-${stage}`;
  const payload = others
    .flatMap(({ variants }) => variants ?? [])
    .find((one) => one.name === variant)?.payload;
  const own = {
    name: 'flexibleRollout',
    parameters: { rollout: '100', stickiness: 'dataset', groupId: name },
    constraints: [constraint],
    variants: [
      {
        name: variant,
        weight: 1_000,
        stickiness: 'dataset',
        ...(payload === undefined ? {} : { payload }),
      },
    ],
  };
  feature.strategies = [own, ...others];
  const [problem] = checkFlags(document, 'file').problems;
  if (problem !== undefined)
    throw new CommandError(`${path} would not be valid: ${problem.message}`);
  replaceFile(path, `${JSON.stringify(document, null, 2)}\n`);
}

function readFlags(path: string): { readonly features: Feature[] } {
  try {
    const document: unknown = JSON.parse(readFlagsText(path));
    const { problems } = checkFlags(document, 'file');
    if (problems.length > 0) throw new Error(problems[0]?.message);
    return document as { features: Feature[] };
  } catch (error) {
    throw new CommandError(
      `Nothing was changed, for the flags can't be used: ${(error as Error).message}. See: changeover flags validate ${path}`,
    );
  }
}
