import { resolve } from 'node:path';
import type { Command } from 'commander';
import { counted } from '@changeover/bridge';
import {
  type AddSubcommand,
  type CommandContext,
  type CommonOptions,
  groups,
  withFormat,
} from './command-context.ts';
import { exitCodes } from './command-error.ts';
import type { DoctorCheck, DoctorFinding, DoctorSubject } from './doctor-check.ts';
import type { Style, Terminal } from './terminal.ts';

const examples = `
It changes nothing. Exit codes: 0 no problem (there may be warnings), 1 a problem.

Examples:
  $ changeover doctor
  $ changeover doctor --format json`;

const styles: Readonly<Record<DoctorFinding['status'], Style>> = {
  ok: 'green',
  warning: 'yellow',
  problem: 'red',
};

/** `doctor`: checks what a bridge stands on, and says what to do.
 *
 * @param more checks beside those that any bridge needs. */
export function addDoctor(more: readonly DoctorCheck[]): AddSubcommand {
  return (program: Command, context: CommandContext) => {
    withFormat(program.command('doctor'))
      .helpGroup(groups.other)
      .description('check Node, drivers, flags, store, ledger and server, and say what to do')
      .option('--folder <folder>', 'the project, from where packages are looked for', '.')
      .addHelpText('after', examples)
      .action(async (options: CommonOptions & { readonly folder: string }) => {
        const subject = {
          place: await context.place(options),
          env: context.streams.env,
          folder: resolve(options.folder),
        };
        const { doctorChecks } = await import('./doctor-checks.ts');
        const findings: DoctorFinding[] = [];
        for (const check of [...doctorChecks, ...more])
          findings.push(...(await findingsOf(check, subject)));
        showFindings(context, await context.terminal(options), findings);
      });
  };
}

async function findingsOf(
  check: DoctorCheck,
  subject: DoctorSubject,
): Promise<readonly DoctorFinding[]> {
  try {
    return await check.run(subject);
  } catch (error) {
    const found = String((error as { readonly message?: unknown } | null)?.message ?? error);
    return [{ check: check.name, status: 'problem', found, todo: null }];
  }
}

function showFindings(
  context: CommandContext,
  terminal: Terminal,
  findings: readonly DoctorFinding[],
): void {
  const count = (status: DoctorFinding['status']): number =>
    findings.filter((one) => one.status === status).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  const width = Math.max(...findings.map(({ check }) => check.length));
  terminal.answer(
    [
      ...findings.flatMap(({ check, status, found, todo }) => [
        `${terminal.paint(styles[status], status.padEnd(7))}  ${check.padEnd(width)}  ${found}`,
        ...(todo === null ? [] : [`${' '.repeat(width + 11)}→ ${todo}`]),
      ]),
      '',
      problems + warnings === 0
        ? 'No problem was found.'
        : `${counted(problems, 'problem', 'problems')}, ${counted(warnings, 'warning', 'warnings')}.`,
    ],
    {
      ok: problems === 0,
      problems,
      warnings,
      findings: findings.map((one) => ({ ...one, next: one.next ?? [] })),
      next: [...new Set(findings.flatMap(({ next }) => next ?? []))],
    },
  );
  context.exitCode = problems === 0 ? exitCodes.done : exitCodes.error;
}
