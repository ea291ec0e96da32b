import { totalmem } from 'node:os';

/** How much of it this process takes: of the heap's limit, or of what the machine or its container has, whichever is more. */
export function shareOfMemory(): number {
  const { used_heap_size: heap, heap_size_limit: limit } = process
    .getBuiltinModule('node:v8')
    .getHeapStatistics();
  try {
    const constrained = process.constrainedMemory();
    const all = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
    return Math.max(heap / limit, process.memoryUsage.rss() / all);
  } catch {
    // Both are read from files, which a process without a file descriptor left can't open.
    return heap / limit;
  }
}
