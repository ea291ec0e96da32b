import type { OperationDefinition, Stage } from '@changeover/core';
import { routes } from './route.ts';

/** Why no call of an operation is compared at a stage at which others are; undefined where it is, and where none is. */
export function notComparableAt(stage: Stage, definition: OperationDefinition): string | undefined {
  const route = routes[stage];
  if (route.read.shadow === undefined) return undefined;
  switch (definition.kind) {
    case 'legacyOnly':
      return 'it stays with the legacy leg';
    case 'write':
      if (definition.comparison === 'none')
        return 'it is a write that says neither how it is rehearsed nor what it leaves';
      return route.write.shadow === undefined ? `writes are not compared at ${stage}` : undefined;
    case 'read':
    case 'statement':
    case 'control':
      return undefined;
  }
}
