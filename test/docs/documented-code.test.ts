import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRules } from '@changeover/compare';
import { root } from '../architecture/source-files.ts';

/** What a program on a page prints, run in a folder of its own. */
function printedBy(program: string): string {
  const folder = mkdtempSync(join(root, 'test/docs/.example-'));
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, program);
    return execFileSync(
      process.execPath,
      ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning', file],
      {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '', CHANGEOVER_LOG: 'silent' },
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The README's blocks of TypeScript that stand alone: they import what they use and do something. */
function runnableBlocks(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)]
    .map((match) => match[1] ?? '')
    .filter((block) => block.includes('createBridge('));
}

test("the README has an example of a singleton of one's own", () => {
  expect(runnableBlocks('README.md')).toHaveLength(1);
});

test.each(runnableBlocks('README.md').map((block, at) => [at + 1, block] as const))(
  'README example %i runs and says what it says',
  (_at, block) => {
    const [, expected] = /^(.*); \/\/ (\d+)$/m.exec(block)?.slice(1) ?? [];
    const output = printedBy(
      `${block.replace(/^(.*); \/\/ \d+$/m, 'console.log($1);')}\nprocess.exit(0);\n`,
    );
    expect(output.trim()).toBe(expected);
  },
);

test('the rules in docs/rules.md are rules, all kinds of them, in the program and in a payload', () => {
  const text = readFileSync(join(root, 'docs/rules.md'), 'utf8');
  const kinds = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1] ?? '');
  expect(kinds).toEqual([
    'ignore-column',
    'tolerance',
    'time-tolerance',
    'json',
    'order-free',
    'comparator',
  ]);
  const [, payload = ''] = /^```json\n(.*?)^```$/ms.exec(text) ?? [];
  expect(parseRules((JSON.parse(payload) as { rules: unknown }).rules)).toHaveLength(1);
  const [, block = ''] = /^```ts\n(.*?)^```$/ms.exec(text) ?? [];
  const output = printedBy(`${block}\nawait bridge.close();\nconsole.log('closed');\n`);
  expect(output.trim()).toBe('closed');
});

test('the program in docs/monitoring.md serves metrics', () => {
  const [, block = ''] =
    /^```ts\n(.*?)^```$/ms.exec(readFileSync(join(root, 'docs/monitoring.md'), 'utf8')) ?? [];
  const output = printedBy(`${block.replace('9464', '0')}
server.once('listening', async () => {
  await bridge.storage('sqlite').createDataset('titanic');
  const { port } = server.address() as { port: number };
  console.log(await (await fetch(\`http://127.0.0.1:\${port}/metrics\`)).text());
  await bridge.close();
  server.close();
});
`);
  expect(output).toContain(
    '\nchangeover_calls_total{db_system_name="sqlite",db_operation_name="createDataset",' +
      'changeover_stage="legacy"} 1\n',
  );
});

/** Pages whose every program stands alone and says in its comments what it prints. */
const documented = [
  'docs/create-bridge.md',
  'docs/guarantees.md',
  'docs/how-to/roll-out.md',
  'docs/how-to/flag-sources.md',
  'docs/how-to/tests.md',
  'docs/how-to/finishing.md',
].flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
    (match, at) => [at + 1, page, match[1] ?? ''] as const,
  ),
);

test.each(documented)('example %i in %s says what it says', (_at, _page, block) => {
  const says = /^( *)(.*); \/\/ → (.*)$/gm;
  const expected = [...block.matchAll(says)].map((match) => match[3]);
  expect(expected).not.toEqual([]);
  const output = printedBy(`${block.replace(says, '$1console.log($2);')}\nprocess.exit(0);\n`);
  expect(output.trim().split('\n')).toEqual(expected);
});
