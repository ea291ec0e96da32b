import { bridgeOf, createStaticStageSource, type Reproduction } from '@changeover/bridge';
import { type Engine, engines, storageOperations } from '@changeover/engines/api';
import type { CallOnLegs } from '@changeover/operate/command';
import { parseBridgeOptions } from './bridge-options.ts';
import { createStorageBridge } from './storage-bridge.ts';

/** How long the legs may take to close, in ms. */
const closeWithinMs = 5_000;

/** Makes a call of the storage API again on legs of its own, which are closed afterwards; undefined for any other bridge's. */
export function reproduceOnLegs(given: CallOnLegs): Promise<Reproduction> | undefined {
  const engine = engines.find((name) => name === given.backend);
  return engine !== undefined && Object.hasOwn(storageOperations, given.call.operation)
    ? reproduceOn(engine, given)
    : undefined;
}

async function reproduceOn(
  engine: Engine,
  { call, rules, options, basePath, env, logger }: CallOnLegs,
): Promise<Reproduction> {
  const { location } = parseBridgeOptions({ basePath }, env);
  const bridge = createStorageBridge({
    ...location,
    rules,
    logger,
    // Nothing is counted, stored or moved: the migration is the programs'.
    storePath: ':memory:',
    stages: createStaticStageSource(() => 'shadow'),
  });
  try {
    return await bridgeOf(bridge.storage(engine)).reproduce(call, options);
  } finally {
    await bridge.close({ deadlineMs: closeWithinMs });
  }
}
