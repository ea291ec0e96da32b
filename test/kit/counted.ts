import type { Recorder } from '@changeover/bridge';

/** What this process counted of one kind since its bridge was made. A summary says it as well, and reads all that was stored for it. */
export function counted(
  recorder: Recorder,
  name: 'calls' | 'compared' | 'match' | 'mismatch',
): number {
  let sum = 0;
  for (const { counts } of recorder.counted()) sum += counts[name];
  return sum;
}
