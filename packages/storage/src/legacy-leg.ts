import { digestResult } from '@changeover/compare';
import {
  type Engine,
  type StorageBackend,
  storageOperations,
  type StoreLocation,
} from '@changeover/engines';
import { type Leg } from '@changeover/core';
import { createLegacyLeg, StorageBackend as LegacyStorageBackend } from '@changeover/legacy';

/**
 * The legacy leg of one engine. This is the only file that may import `@changeover/legacy`: at the end of a migration the
 * package and this file are deleted, and the compiler names the few lines that used them.
 */
export function openLegacyLeg(engine: Engine, location: StoreLocation): Leg<StorageBackend> {
  LegacyStorageBackend.configure(location);
  return createLegacyLeg(engine, {
    digest: (operation, result) => {
      const definition = storageOperations[operation as keyof StorageBackend];
      return digestResult(
        result,
        definition.kind === 'read' ? (definition.result ?? 'value') : 'value',
      );
    },
  });
}
