// A verification as a process of its own. Writes a line of JSON for each report of progress, and one for the result with the
// most memory that the process was seen to take, and what it took before, in MiB. At SIGTERM it stops as the command does.
import { keepHeapSmall } from '../keep-heap-small.ts';
import type { VerifyOptions } from '../index.ts';
// Not as users have it, which loads the drivers when it is called: these are there before anything is measured.
import { verifyStore } from '../verify-store.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as VerifyOptions;
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
});
const tell = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
// As the command does.
const collect = keepHeapSmall();
const before = process.memoryUsage.rss();
let memory = 0;
const look = (): void => {
  memory = Math.max(memory, process.memoryUsage.rss());
};
try {
  const result = await verifyStore({
    ...options,
    signal: stop.signal,
    duckdb: { memoryLimitMib: 32, threads: 1 },
    onProgress: (progress) => {
      collect(true);
      look();
      tell({ progress });
    },
  });
  look();
  tell({
    result,
    memoryMib: Math.round(memory / 1024 ** 2),
    beforeMib: Math.round(before / 1024 ** 2),
  });
} catch (error) {
  tell({ error: String(error), code: (error as { code?: unknown }).code });
  process.exitCode = 1;
}
