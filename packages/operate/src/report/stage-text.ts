import type { Stage } from '@changeover/core';
import { routes } from '@changeover/bridge';

/** What a stage means for a call, in one sentence from the table of routes. */
export function stageMeaning(stage: Stage): string {
  const { read, write } = routes[stage];
  const beside =
    read.shadow === undefined ? '' : `, the ${read.shadow} leg runs beside it and is compared`;
  return `reads are answered by the ${read.answers} leg${beside}; writes go to the ${write.answers} leg.`;
}
