import { classifyError } from '@changeover/engines/sqlite';
import type { ErrorClass } from '@changeover/engines/api';

/** What `retryRules` has a write tried again for. */
const triedAgain: ReadonlySet<ErrorClass> = new Set<ErrorClass>(['busy', 'conflict', 'connection']);

/** Whether a write that failed so may be tried again, so that what was sent behind it must not be run before. It is asked where the
 * write ran, which is another thread than the one that decides. */
export function mayBeTriedAgain(error: unknown): boolean {
  return triedAgain.has(classifyError('sqlite', error));
}
