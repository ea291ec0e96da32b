import { bridgeOf, createStaticStageSource, type Reproduction } from '@changeover/bridge';
import {
  type Engine,
  engines,
  type StorageBackend,
  storageOperations,
} from '@changeover/engines/api';
import type { CallOnLegs } from '@changeover/operate/command';
import { parseBridgeOptions } from './bridge-options.ts';
import { createStorageBridge } from './storage-bridge.ts';

/** How long the legs may take to close, in ms. */
const closeWithinMs = 5_000;

/** What is wrong with the dataset itself is told as it is, before a statement on it is judged by what can't be known of it. */
async function checkKey(
  dataset: string,
  legs: readonly Pick<StorageBackend, 'listTables'>[],
): Promise<void> {
  for (const leg of legs) await leg.listTables(dataset);
}

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
    const storage = bridge.storage(engine);
    if (call.key !== '') await checkKey(call.key, [storage, bridge.factory.leg(engine).api]);
    return await bridgeOf(storage).reproduce(call, options);
  } finally {
    await bridge.close({ deadlineMs: closeWithinMs });
  }
}
