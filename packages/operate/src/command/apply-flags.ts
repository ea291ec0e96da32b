import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { allKeys, earlierStage, keyTarget, type Stage, stages } from '@changeover/core';
import {
  anyOperation,
  flagsDecideAloneText,
  openFileStageSource,
  rowDataset,
  silentLogger,
  stepForward,
  typedWord,
} from '@changeover/bridge';
import { textTable } from '../report/text-table.ts';
import type { ChangeOptions } from './command-context.ts';
import { openUnleashAdmin } from '@changeover/bridge';
import { planForServer, type ServerPlan, takeSteps } from './apply-to-server.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { flagsSubject, type Migration } from './migration.ts';
import { answerChange, type PlannedMove, showPlan } from './plan.ts';
import { replaceFile } from './replace-file.ts';
import type { Terminal } from './terminal.ts';
import { flagsChanged, writeLedger } from './write-ledger.ts';

/** What would change with other flags: `changeover flags plan`. Changes nothing. */
export async function planFlags(
  migration: Migration,
  text: string,
  path: string,
  terminal: Terminal,
): Promise<void> {
  const moves = await plannedMoves(migration, path);
  const onServer = await askServer(migration, text);
  const rows = moves.map(({ backend, key, from, to, reason, held }) => [
    backend,
    key,
    from,
    to,
    held === null ? reason : `stays at ${held} all the same: it is held`,
  ]);
  const table = textTable(
    [
      { title: 'backend' },
      { title: 'key', cut: 'middle' },
      { title: 'from' },
      { title: 'to' },
      { title: 'why', cut: 'end' },
    ],
    rows,
    terminal.width,
  );
  const all = migration.backends.reduce((sum, backend) => sum + migration.keys(backend).length, 0);
  const unchanged = all - moves.length;
  const rest = `${String(unchanged)} of ${String(all)} known keys stay where they are.`;
  terminal.answer(
    [
      ...(moves.length === 0 ? [] : [...table, '']),
      rest,
      ...serverText(migration, onServer),
      'Nothing was changed.',
    ],
    {
      file: path,
      moves,
      unchanged,
      ...serverFields(migration, onServer),
      next: [`changeover flags apply ${typedWord(path)} --reason "..."`],
    },
  );
}

/** How flags are put in use. */
export interface ApplyOptions extends ChangeOptions {
  /** True lets flags that move keys by themselves move them past stages and gates. Default: false. */
  readonly force?: boolean | undefined;
}

/**
 * Puts other flags in use: `changeover flags apply`.
 *
 * @throws {CommandError} where flags that move keys by themselves would move one past a stage or a gate.
 */
export async function applyFlags(
  migration: Migration,
  text: string,
  path: string,
  terminal: Terminal,
  options: ApplyOptions,
): Promise<void> {
  const { place } = migration;
  const moves = await plannedMoves(migration, path);
  refuseJumps(migration, moves, options);
  const plan = moves.map(planned);
  if (place.unleashUrl !== undefined && openUnleashAdmin(place) === undefined && !options.plan) {
    throw new CommandError(
      `The flags come from ${place.unleashUrl}; the file is asked only where that has no answer. Set ` +
        'UNLEASH_ADMIN_TOKEN to change them there, or name no server (UNLEASH_URL). Nothing was changed.',
    );
  }
  const onServer = await askServer(migration, text);
  const more = {
    ...serverFields(migration, onServer),
    ...(place.unleashUrl === undefined ? { flagsFile: place.flagsFile } : {}),
  };
  if (options.plan) {
    answerChange(terminal, {
      plan,
      showPlan: true,
      text: [...serverText(migration, onServer), 'Nothing was changed.'],
      more,
    });
    return;
  }
  const target = place.unleashUrl ?? place.flagsFile;
  if (onServer === undefined ? isWritten(place.flagsFile, text) : onServer.steps.length === 0) {
    answerChange(terminal, {
      plan: [],
      text: [
        `${target} has the flags of ${path} already.`,
        ...(onServer?.notes ?? []),
        'Nothing was changed.',
      ],
      more,
    });
    return;
  }
  showPlan(terminal, plan);
  if (onServer === undefined) replaceFile(place.flagsFile, text);
  else terminal.say(serverText(migration, onServer));
  const notes = onServer === undefined ? [] : await takeSteps(onServer.steps);
  const change = await recordFlags(
    migration,
    moves,
    `${resolve(path)} is in use as ${target}`,
    text,
    options,
  );
  answerChange(terminal, {
    plan,
    change,
    text: [
      `${target} has the flags of ${path} now.`,
      ...notes,
      'Running programs that read it follow within a few seconds.',
    ],
    more,
  });
}

/** Where the ledger decides the flags are targets, towards which keys step past their gates. */
function refuseJumps(
  migration: Migration,
  moves: readonly FlagMove[],
  { force }: ApplyOptions,
): void {
  for (const { backend, key, from, to, held, steps } of moves) {
    if (steps || held !== null) continue;
    const answer = stepForward({ from, to, force }, (stage) =>
      migration.judge().key(backend, key, stage),
    );
    if (answer.kind === 'step') continue;
    throw new CommandError(
      `${backend} ${key} would go from ${from} to ${to}: ${answer.reason} ${flagsDecideAloneText} Nothing was changed. ` +
        'To put these flags in use all the same add --force; the ledger will say so.',
      answer.decision === 'INCONCLUSIVE' ? exitCodes.inconclusive : exitCodes.gateFailed,
    );
  }
}

/** Undefined where the flags come from a file, or no token lets the server be asked. */
async function askServer(migration: Migration, text: string): Promise<ServerPlan | undefined> {
  const admin = openUnleashAdmin(migration.place);
  const killed = migration.backends.filter(
    (backend) => migration.lastLine(backend, allKeys)?.held === true,
  );
  return admin === undefined ? undefined : planForServer(admin, text, killed);
}

/** What the server would get, one a line. */
function serverText({ place }: Migration, onServer: ServerPlan | undefined): string[] {
  if (place.unleashUrl === undefined) return [];
  if (onServer === undefined)
    return [`What ${place.unleashUrl} lacks of it can't be told: set UNLEASH_ADMIN_TOKEN.`];
  const { steps, notes } = onServer;
  return [
    steps.length === 0 ? `${place.unleashUrl} has these flags already.` : `On ${place.unleashUrl}:`,
    ...steps.map(({ what }) => `  ${what}`),
    ...notes,
  ];
}

function serverFields({ place }: Migration, onServer: ServerPlan | undefined): object {
  if (place.unleashUrl === undefined) return {};
  return {
    flagServer: place.unleashUrl,
    serverSteps: onServer?.steps.map(({ what }) => what) ?? null,
  };
}

function isWritten(path: string, text: string): boolean {
  return existsSync(path) && readFileSync(path, 'utf8') === text;
}

/** Writes what was done to the flags as a whole, and each key that it moves. */
export async function recordFlags(
  migration: Migration,
  moves: readonly FlagMove[],
  what: string,
  text: string,
  { who, reason: given, force }: ApplyOptions,
): ReturnType<typeof writeLedger> {
  const reason = force === true ? `${given} (forced)` : given;
  const revision = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const line = { at: Date.now(), held: false, who, revision };
  for (const { backend, key, from, to, held, steps } of moves) {
    if (held !== null) continue;
    // Where the ledger decides, it steps forward by itself, past its gates.
    const reached = steps ? earlierStage(from, to) : to;
    await writeLedger(
      migration,
      backend,
      keyTarget(key),
      (last) =>
        last?.held === true
          ? undefined
          : {
              ...line,
              backend,
              dataset: key,
              from,
              to: reached,
              reason: `the flags ask for ${to}: ${reason}`,
            },
      flagsChanged,
    );
  }
  return writeLedger(
    migration,
    flagsSubject,
    allKeys,
    () => ({
      ...line,
      backend: flagsSubject,
      dataset: rowDataset(allKeys),
      from: 'legacy',
      to: 'legacy',
      reason: `${what}: ${reason}`,
    }),
    flagsChanged,
  );
}

/** A key for which other flags ask for another stage. */
export interface FlagMove extends PlannedMove {
  readonly reason: string;
  /** What its flag asks for now. */
  readonly asked: Stage;
  /** The stage that it is held at in spite of its flag; null where it isn't. */
  readonly held: string | null;
  /** True where it steps there by itself, one stage at a time and past its gates. */
  readonly steps: boolean;
}

/** The same for people. */
export function planned({ backend, key, from, to, held, steps }: FlagMove): PlannedMove {
  const forward = steps && stages.indexOf(to) > stages.indexOf(from);
  const note =
    held !== null
      ? `stays at ${held}: it is held`
      : forward
        ? 'one stage at a time, past its gates'
        : undefined;
  return { backend, key, from, to, ...(note === undefined ? {} : { note }) };
}

/** What would change with the flags of another file, which must be valid. */
export async function plannedMoves(migration: Migration, path: string): Promise<FlagMove[]> {
  const other = openFileStageSource({ path, logger: silentLogger });
  try {
    return migration.backends
      .flatMap((backend) =>
        migration.keys(backend).map((key): FlagMove => {
          const context = { backend, dataset: key, operation: anyOperation };
          const [now, then] = [migration.flags.decide(context), other.decide(context)];
          const { line, stage } = migration.keyStatus(backend, key);
          const held = line?.held === true ? line.to : null;
          return {
            backend,
            key,
            from: migration.ledgerDecides && held === null ? stage : now.stage,
            asked: now.stage,
            to: then.stage,
            reason: then.reason,
            held,
            steps: migration.ledgerDecides,
          };
        }),
      )
      .filter(({ asked, to }) => asked !== to);
  } finally {
    await other.close();
  }
}
