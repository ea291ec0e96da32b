import { dirname, join } from 'node:path';
import { engines } from 'changeover';
import { type DemoOptions, parseDemoOptions, usage, UsageError } from './demo/options.ts';
import { Progress } from './demo/progress.ts';
import { type DemoResult, stageTable } from './demo/result.ts';
import { runDemo } from './demo/run-demo.ts';

// The main job; see its usage text. Exit codes: 0 every check held, 1 one did not, 2 wrong usage, 130 interrupted.
process.exitCode = await main();

async function main(): Promise<number> {
  let options: DemoOptions | 'help';
  try {
    options = parseDemoOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
    return 2;
  }
  if (options === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      interrupted.abort();
    });
  try {
    const result = await runDemo(options, new Progress(), interrupted.signal);
    process.stdout.write(
      options.format === 'json' ? `${JSON.stringify(result, null, 2)}\n` : describe(result),
    );
    return result.ok ? 0 : 1;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    process.stderr.write('Interrupted; everything that was started is stopped.\n');
    return 130;
  }
}

function describe(result: DemoResult): string {
  const wrong = result.data.filter(({ ok }) => !ok).length;
  const lines = ['', stageTable(result.stages), ''];
  for (const { engine, dataset, planted, foundClasses, rolledBack, ok } of result.defects) {
    lines.push(
      `${ok ? '✓' : '✗'} ${engine} ${dataset} ${planted}: found as ${foundClasses.join(', ') || 'nothing'}, ` +
        (rolledBack ? 'rolled back to legacy' : 'not rolled back'),
    );
  }
  if (result.defects.length > 0) lines.push('');
  lines.push(
    `${wrong === 0 ? '✓' : '✗'} data: ${result.data.length - wrong} of ${result.data.length} tables on ${engines.length} engines ` +
      'are what their sources and callers say, read by the bare drivers',
    `${result.rollback.failed === 0 ? '✓' : '✗'} rollback: ${result.rollback.engine} back at legacy under load, ` +
      `${result.rollback.callsAfter} calls since, ${result.rollback.failed} failed`,
    ...result.problems.map((problem) => `✗ ${problem}`),
    '',
    // The report opens with the same sentence.
    `${result.verdict.decision}: ${result.verdict.reason} By gates of its own, which ask for less than the default ones.`,
    ...(result.defects.length > 0 && result.ok
      ? ['That is what it must say of the defects that were planted.']
      : []),
    result.ok
      ? `All checks held, in ${result.seconds} s.`
      : `${result.problems.length} checks did not hold, in ${result.seconds} s.`,
    `Report: ${result.reports.html}`,
    `        ${result.reports.json}`,
    `Operate: . ${join(dirname(result.reports.json), 'env')} && npx changeover status`,
    '',
  );
  return lines.join('\n');
}
