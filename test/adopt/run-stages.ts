// Runs a program again and again in one process, each time with modules of its own and at another stage, and prints what each run wrote.
// What the packages of this repository take to load is paid once.
import { readdirSync, rmSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

const [main = '', ...stages] = process.argv.slice(2);
const folder = dirname(main);
const own = `${pathToFileURL(folder).href}/`;
const require = createRequire(main);
const written: string[] = [];
const program = console;
let output = '';
program.log = (...args: readonly unknown[]) => {
  output += `${format(...args)}\n`;
};

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    const isOwn = resolved.url.startsWith(own) && !resolved.url.endsWith('.cjs');
    return isOwn ? { ...resolved, url: `${resolved.url}?${String(begun)}` } : resolved;
  },
});

async function run(stage: string): Promise<void> {
  for (const file of readdirSync(folder).filter((one) => one.includes('data.')))
    rmSync(join(folder, file));
  process.env['CHANGEOVER_FLAGS'] = join(folder, `${stage}.json`);
  for (const file of Object.keys(require.cache))
    if (file.startsWith(folder)) Reflect.deleteProperty(require.cache, file);
  if (main.endsWith('.cjs')) require(main);
  else await import(pathToFileURL(main).href);
}

let begun = 0;
// Not before nothing holds the process any more: a program may go on after its last module.
process.on('beforeExit', () => {
  if (begun > 0) written.push(output);
  output = '';
  const stage = stages[begun];
  begun += 1;
  // By a task, for a run that waits for nothing would be the last one.
  if (stage !== undefined) setImmediate(() => void run(stage));
  else if (begun === stages.length + 1) process.stdout.write(JSON.stringify(written));
});
