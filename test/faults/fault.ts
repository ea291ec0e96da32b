import type { Engine } from '@changeover/core';
import type { StorageBackendFactoryOptions } from '@changeover/pooled';
import type { Arena } from './arena.ts';

/** One thing that goes wrong. */
export interface Fault {
  readonly name: string;
  /** The engines under load while it happens. */
  readonly engines: readonly Engine[];
  /** What the factory needs for it; such a fault happens alone, all others also together. */
  readonly options?: Partial<StorageBackendFactoryOptions> | undefined;
  /** Makes it happen, and end. What it finds wrong by itself it notes in the arena's log. */
  run(arena: Arena): Promise<void>;
}
