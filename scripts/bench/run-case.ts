import { benchCases } from './cases.ts';
import type { BenchContext } from './figure.ts';

/** One benchmark in a process of its own: what another left in the heap, the caches or the singletons is not measured with
 * it, and memory can be. The parent gets the result as a message. */
const [name, context] = process.argv.slice(2);
const chosen = benchCases.find((candidate) => candidate.name === name);
if (chosen === undefined || context === undefined)
  throw new Error(`there is no benchmark ${JSON.stringify(name)}`);
const result = await chosen.run(JSON.parse(context) as BenchContext);
await new Promise<void>((resolve) => {
  if (process.send === undefined) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    resolve();
  } else
    process.send(result, () => {
      resolve();
    });
});
// What a peer leaves open must not keep the bench waiting.
process.exit(0);
