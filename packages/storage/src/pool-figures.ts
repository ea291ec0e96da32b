import type { PoolFigures } from '@changeover/bridge';
import type { Engine } from '@changeover/engines';
import type { EngineStats, PurposeStats } from '@changeover/pooled';

/** An engine's pools as the console shows them; a purpose without pools is left out. */
export function figuresOf({ engine, callers, shadow }: EngineStats): PoolFigures[] {
  return [add(engine, 'callers', callers), add(engine, 'shadow', shadow)].filter(
    ({ pools }) => pools > 0,
  );
}

function add(
  backend: Engine,
  purpose: PoolFigures['purpose'],
  { pools, connections, budget, breakers }: PurposeStats,
): PoolFigures {
  const sum = (figure: 'inUse' | 'idle' | 'pending'): number =>
    pools.reduce((all, pool) => all + pool[figure], 0);
  return {
    backend,
    purpose,
    pools: pools.length,
    connections,
    budget,
    inUse: sum('inUse'),
    idle: sum('idle'),
    waiting: sum('pending'),
    openBreakers: breakers.open + breakers['half-open'],
  };
}
