import { digestResult } from '@changeover/compare';
import {
  type Engine,
  type StorageBackend,
  storageOperations,
  type StoreLocation,
} from '@changeover/engines';
import { type Leg, systemClock } from '@changeover/core';
import { createLegacyLeg, StorageBackend as LegacyStorageBackend } from '@changeover/legacy';

/**
 * The legacy leg of one engine. This is the only file that may import `@changeover/legacy`: at the end of a migration the
 * package and this file are deleted, and the compiler names the few lines that used them.
 *
 * @param mayLeave see `LegacyLegOptions`.
 */
export function openLegacyLeg(
  engine: Engine,
  location: StoreLocation,
  mayLeave: (dataset: string, sql: string) => boolean,
): Leg<StorageBackend> {
  LegacyStorageBackend.configure(location);
  return createLegacyLeg(engine, {
    mayLeave,
    digest: (operation, result) => {
      const definition = storageOperations[operation as keyof StorageBackend];
      return digestResult(
        result,
        definition.kind === 'read' ? (definition.result ?? 'value') : 'value',
      );
    },
  });
}

/** Closes the legs' connections. Resolves after `deadlineMs` at the latest: a singleton's queue has no deadline of its own, and what
 * still runs in it then is left to end by itself. */
export async function closeLegacyLegs(
  legs: readonly Leg<StorageBackend>[],
  deadlineMs: number,
): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const timer = systemClock.after(deadlineMs, () => {
    resolve(undefined);
  });
  const closed = Promise.allSettled(legs.map((leg) => leg.api.closeConnections()));
  await Promise.race([closed, over]);
  timer.cancel();
}
