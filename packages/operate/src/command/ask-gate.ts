import type { Decision, GateOutcome, ReportVerdict } from '@changeover/bridge';
import { gatePlace } from '@changeover/bridge';
import { junitReport } from '../report/junit-report.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { exitCodes } from './command-error.ts';
import { type Migration, requireStore } from './migration.ts';
import { aheadText } from './target-text.ts';
import { backendNamed, keyNamed } from './subject.ts';
import type { Terminal } from './terminal.ts';

const exitCodeOf: Readonly<Record<Decision, number>> = {
  PROMOTE: exitCodes.done,
  INCONCLUSIVE: exitCodes.inconclusive,
  HOLD: exitCodes.gateFailed,
  'ROLL BACK': exitCodes.gateFailed,
};

/** Asks the gates of one key, of one backend, or of all: `changeover gate`. Gives the exit code. */
export async function askGate(
  context: CommandContext,
  options: CommonOptions,
  backend: string | undefined,
  key: string | undefined,
): Promise<number> {
  let exitCode: number = exitCodes.inconclusive;
  requireStore(await context.place(options));
  await context.withMigration(options, (migration, terminal) => {
    const name = backend === undefined ? undefined : backendNamed(migration, backend);
    const known =
      name === undefined || key === undefined
        ? undefined
        : keyNamed(migration, name, key, undefined);
    const asked = askedOf(migration, name, known);
    exitCode = exitCodeOf[asked.decision];
    if (options.format === 'junit') {
      const report = { ...migration.judged(), title: 'changeover gate' };
      context.streams.stdout.write(junitReport(report, asked));
    } else answerGate(terminal, asked, exitCode);
  });
  return exitCode;
}

interface AskedGates extends ReportVerdict {
  readonly next: readonly string[];
  /** Of one key that was named, about how long until it stands at `pooled`. */
  readonly ahead?: string | undefined;
}

/** The part of the verdict that concerns what was named. */
function askedOf(
  migration: Migration,
  backend: string | undefined,
  key: string | undefined,
): AskedGates {
  const judge = migration.judge();
  const verdict = judge.verdict();
  const keys = verdict.keys.filter((one) => backend === undefined || one.backend === backend);
  if (backend !== undefined && key !== undefined) {
    const one = judge.key(backend, key);
    return { ...verdict, ...one, keys: [one], next: one.next, ahead: aheadText(one) };
  }
  const next = [...new Set(keys.flatMap((one) => one.next))];
  if (backend === undefined) return { ...verdict, next };
  const whole = verdict.backends.find((one) => one.backend === backend);
  return {
    backends: whole === undefined ? [] : [whole],
    keys,
    gates: verdict.gates.filter((gate) => gate.backend === backend),
    decision: whole?.decision ?? 'INCONCLUSIVE',
    reason: whole?.reason ?? `No call on ${backend} has been recorded.`,
    next,
  };
}

function answerGate(terminal: Terminal, asked: AskedGates, exitCode: number): void {
  const { decision, reason, gates, keys, next, ahead } = asked;
  const style =
    exitCode === exitCodes.done ? 'green' : exitCode === exitCodes.inconclusive ? 'yellow' : 'red';
  terminal.answer(
    [
      `${terminal.paint(style, decision)}  ${reason}`,
      ...(ahead === undefined ? [] : [`At the load that was seen: ${ahead}, a stage at a time.`]),
      ...gates
        .filter(({ outcome }) => outcome !== 'pass')
        .slice(0, mostGates)
        .map((gate) => `  ${gateLine(gate)}`),
      ...next.slice(0, mostGates).map((command) => `Type: ${command}`),
    ],
    {
      decision,
      reason,
      exitCode,
      gates,
      keys: keys.map((one) => ({ ...one, gates: one.gates.length })),
      next,
    },
  );
}

const mostGates = 40;

function gateLine(gate: GateOutcome): string {
  return `${gatePlace(gate)}: ${gate.expression} says ${gate.outcome}: ${gate.reason ?? gate.title}`;
}
