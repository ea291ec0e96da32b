import type { Engine } from '@changeover/engines';
import type { Arena } from './arena.ts';

/** One thing that goes wrong. */
export interface Fault {
  readonly name: string;
  /** The engines under load while it happens. */
  readonly engines: readonly Engine[];
  /** It leaves no room for another fault beside it, only before and after it. */
  readonly alone?: boolean | undefined;
  /** Makes it happen, and end. What it finds wrong by itself it notes in the arena's log. */
  run(arena: Arena): Promise<void>;
}
