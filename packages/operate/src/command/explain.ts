import { stages } from '@changeover/core';
import { type LedgerChange, routes, stageFlag, typedKey, typedWord } from '@changeover/bridge';
import type { Decision, KeyVerdict } from '@changeover/bridge';
import { errorJson, failedOfKey, failedText } from '../report/failed-calls.ts';
import { relianceOfKey } from '../report/reliance-lines.ts';
import { slowText } from '../report/key-figures.ts';
import { stageMeaning } from '../report/stage-text.ts';
import { type Migration, type KeyStatus } from './migration.ts';
import { concerns, isWhole, lineJson } from './ledger-lines.ts';
import { notesOf } from './status.ts';
import { acceptCommands } from './next-commands.ts';
import { whyNotAtTarget, aheadText } from './target-text.ts';
import type { Terminal } from './terminal.ts';

const shownLines = 10;
const shownShapes = 5;

/** Why a key is on its stage, what that means for a call, and what to type next: `changeover explain`. */
export function explain(
  migration: Migration,
  terminal: Terminal,
  backend: string,
  key: string,
  operation: string | undefined,
): void {
  const keyStatus = migration.keyStatus(backend, key, operation);
  const { stage, by, why, flag, line } = keyStatus;
  const history = migration.ledger.filter((one) => one.backend === backend && concerns(one, key));
  const whyNot = whyNotAtTarget(migration, keyStatus);
  const gates = gatesOf(migration, keyStatus);
  const commands = commandsFor(migration, keyStatus, gates?.decision);
  const notes = notesOf(migration);
  const reliance = relianceOfKey(migration.recordings, backend, key);
  const slow =
    migration.recordings === undefined
      ? undefined
      : slowText(migration.recordings, { backend, key });
  const failed = failedOfKey(migration.recordings, backend, key).filter(
    (one) => operation === undefined || one.operation === operation,
  );
  terminal.answer(
    [
      `${terminal.paint('bold', `${backend} ${key}${operation === undefined ? '' : ` ${operation}`}`)} is on ` +
        `${terminal.paint('bold', stage)}: ${stageMeaning(stage)}`,
      '',
      `because  ${why}`,
      ...(whyNot === undefined ? [] : [`target   ${whyNot}`]),
      `flag     ${stageFlag(backend)} asks for ${flag.stage}: ${flag.reason}`,
      `         ${originOf(migration, flag.source, flag.revision)}`,
      ...(gates === undefined ? [] : [`gates    ${gates.decision}: ${gates.reason}`]),
      ...(gates?.ahead === undefined || flag.stage !== 'pooled'
        ? []
        : [`         At the load that was seen: ${gates.ahead}.`]),
      ...failed
        .slice(0, shownShapes)
        .map((shape, at) => `${at === 0 ? 'errors ' : '       '}  ${failedText(shape)}`),
      ...(slow === undefined ? [] : [`slow     ${slow}`]),
      ...reliance.map((line, at) => `${at === 0 ? 'callers' : '       '}  ${line}`),
      `ledger   ${ledgerText(migration, keyStatus)}`,
      ...history.slice(-shownLines).map((change) => `         ${lineText(change)}`),
      ...notes.map((note) => `note     ${terminal.paint('yellow', note)}`),
      '',
      'To type now:',
      ...commands.map(
        ({ command, effect }) =>
          `  ${command.padEnd(Math.max(...commands.map((one) => one.command.length)))}  ${effect}`,
      ),
    ],
    {
      backend,
      key,
      operation: operation ?? null,
      stage,
      by,
      why,
      whyNotAtTarget: whyNot ?? null,
      legs: routes[stage],
      flag: {
        name: stageFlag(backend),
        stage: flag.stage,
        reason: flag.reason,
        source: flag.source,
        revision: flag.revision,
      },
      gates: gates ?? null,
      errors: failed.map(errorJson),
      reliance,
      slow: slow ?? null,
      ledger: {
        decidesForward: migration.ledgerDecides,
        held: line?.held ?? false,
        line: line === undefined ? null : lineJson(line),
      },
      history: history.slice(-shownLines).map(lineJson),
      notes,
      commands,
      next: commands.map(({ command }) => command),
    },
  );
}

/** What stands before the next step; undefined where nothing does. */
function gatesOf(
  migration: Migration,
  { backend, key, stage }: KeyStatus,
):
  | (Pick<KeyVerdict, 'backend' | 'decision' | 'reason'> & { readonly ahead?: string | undefined })
  | undefined {
  if (stage === 'legacy' || stage === 'pooled') return undefined;
  const verdict = migration.keyVerdict(backend, key);
  if (typeof verdict === 'string') return { backend, decision: 'INCONCLUSIVE', reason: verdict };
  const { decision, reason } = verdict;
  const ahead = aheadText(verdict);
  return { backend, decision, reason, ...(ahead === undefined ? {} : { ahead }) };
}

function originOf({ place }: Migration, source: string, revision: string): string {
  switch (source) {
    case 'server':
      return `from ${place.unleashUrl ?? 'the server'}, revision ${revision}`;
    case 'last-known-good':
      return `from what the server said last, revision ${revision}`;
    case 'file':
      return `from ${place.flagsFile}, revision ${revision}`;
    default:
      return `from nowhere: ${place.flagsFile} has no such flag that can be used; --flags FILE names another`;
  }
}

function ledgerText(migration: Migration, { line, by }: KeyStatus): string {
  if (line?.held === true) {
    const whole = isWhole(line) ? 'all of the backend' : 'it';
    return `holds ${whole} at ${line.to} until a person resumes it${by === 'hold' ? '' : ' (the flag asks for no more)'}`;
  }
  if (migration.ledgerError !== undefined) return `can't be read: ${migration.ledgerError}`;
  if (migration.ledgerDecides) {
    return `decides over steps forward, one stage at a time and past the gates; it has it at ${line?.to ?? 'legacy'}`;
  }
  return line === undefined
    ? 'nobody holds it, nothing was ever written'
    : 'nobody holds it; what was written:';
}

function lineText(line: LedgerChange): string {
  const { at, from, to, held, who, reason } = line;
  const subject = isWhole(line) ? ' (all keys)' : '';
  return `${new Date(at).toISOString()}  ${from} → ${to}${held ? ', held' : ''}${subject}  ${who}: ${reason}`;
}

function hasMismatches({ recordings }: Migration, backend: string, key: string): boolean {
  return (recordings?.byDataset ?? []).some(
    (one) => one.backend === backend && one.dataset === key && one.mismatch > 0,
  );
}

interface NextCommand {
  readonly command: string;
  readonly effect: string;
}

function commandsFor(
  migration: Migration,
  keyStatus: KeyStatus,
  decision: Decision | undefined,
): NextCommand[] {
  const { backend, key, stage, line } = keyStatus;
  const commands: NextCommand[] = acceptCommands(migration, keyStatus).map((command) => ({
    command,
    effect: 'let pass what nothing compares',
  }));
  const name = typedKey(keyStatus);
  // What differed is looked at before it is let go on.
  if (hasMismatches(migration, backend, key))
    commands.push({ command: `changeover mismatches ${name}`, effect: 'see what differed' });
  const next = stages[stages.indexOf(stage) + 1];
  if (line?.held === true) {
    const whole = isWhole(line) ? typedWord(backend) : name;
    commands.push({
      command: `changeover resume ${whole} --reason "..."`,
      effect: 'end the hold: to shadow, and on from there past its gates',
    });
  } else {
    // What its gates hold back is refused.
    if (next !== undefined && decision !== 'HOLD' && decision !== 'ROLL BACK')
      commands.push({
        command: `changeover promote ${name} --reason "..."`,
        effect: `one stage forward, to ${next}`,
      });
    if (stage === 'legacy')
      commands.push({
        command: `changeover hold ${name} --reason "..."`,
        effect: 'keep it on legacy, whatever the flag asks',
      });
    else
      commands.push({
        command: `changeover rollback ${name} --reason "..."`,
        effect: 'back to legacy, and held there',
      });
  }
  if (stage !== 'legacy') {
    commands.push({
      command: `changeover kill ${typedWord(backend)} --reason "..."`,
      effect: `every key of ${backend} back to legacy`,
    });
  }
  return commands;
}
