import { existsSync } from 'node:fs';
import { allKeys, noKey } from '@changeover/core';
import { type Decision, type TotalsBy, typedWord, visibleText } from '@changeover/bridge';
import { errorJson, failedCalls } from '../report/failed-calls.ts';
import { slowKeysOf } from '../report/key-figures.ts';
import { relianceOfKey } from '../report/reliance-lines.ts';
import { textTable } from '../report/text-table.ts';
import { type Migration, type KeyStatus, keyStatuses } from './migration.ts';
import { nextCommands } from './next-commands.ts';
import { aheadText, whoDecidesNotes } from './target-text.ts';
import type { JsonAnswer, Terminal } from './terminal.ts';

/** Characters of a reason in a line; `explain` and JSON have all of it. */
const mostText = 200;
/** Lines about what is slow, and about what callers rely on. */
const mostLines = 20;

/** Which keys `changeover status` shows. */
export interface StatusFilter {
  /** Default: all. */
  readonly backend?: string | undefined;
  readonly key?: string | undefined;
  /** True shows those alone that are held. Default: false. */
  readonly held?: boolean | undefined;
}

/** What is shown of one key. */
interface StatusRow {
  readonly keyStatus: KeyStatus;
  readonly totals: readonly [calls: number, failed: number, compared: number, mismatches: number];
  readonly gates: ReturnType<typeof gatesOf>;
  /** Since when a leg is slow, in a sentence. */
  readonly slow: string | undefined;
  readonly next: readonly string[];
}

/** Every key with its stage, what was measured and what its gates say: `changeover status`. */
export function showStatus(
  migration: Migration,
  terminal: Terminal,
  filter: StatusFilter = {},
): void {
  const rows = statusRows(migration, filter);
  const notes = [...heldNotes(migration), ...notesOf(migration)];
  terminal.answer(
    [
      `flags  ${flagsText(migration)}`,
      `ledger ${migration.ledgerPlace}`,
      '',
      ...(rows.length === 0
        ? [filter.held === true ? 'No key is held.' : 'No key has been seen yet.']
        : statusTable(terminal, rows)),
      ...linesBlock(slowLines(rows)),
      ...linesBlock(relianceLines(migration, rows)),
      ...notes.flatMap((note) => ['', terminal.paint('yellow', note)]),
      '',
      'Why is a key where it is? changeover explain <backend> <key>',
    ],
    statusJson(migration, rows, notes),
  );
}

function statusRows(
  migration: Migration,
  { backend, key, held = false }: StatusFilter,
): StatusRow[] {
  const { recordings } = migration;
  const totals = new Map(
    recordings?.byDataset.map((one) => [`${one.backend}\0${one.dataset ?? ''}`, one]),
  );
  const slow = recordings === undefined ? undefined : slowKeysOf(recordings);
  return keyStatuses(migration)
    .filter((one) => backend === undefined || one.backend === backend)
    .filter((one) => key === undefined || one.key === key)
    .filter(({ line }) => !held || line?.held === true)
    .map((keyStatus) => {
      const name = `${keyStatus.backend}\0${keyStatus.key}`;
      return {
        keyStatus,
        totals: totalsOf(totals.get(name)),
        gates: gatesOf(migration, keyStatus),
        slow: slow?.get(name),
        next: nextCommands(migration, keyStatus),
      };
    });
}

function statusTable(terminal: Terminal, rows: readonly StatusRow[]): string[] {
  return textTable(
    [
      { title: 'backend' },
      { title: 'key', cut: 'middle' },
      { title: 'stage' },
      { title: 'flag asks', spare: 1 },
      { title: 'calls', numeric: true },
      {
        title: 'failed',
        numeric: true,
        ...spareUnless(rows.some(({ totals }) => totals[1] > 0)),
      },
      { title: 'compared', numeric: true, spare: 2 },
      { title: 'mismatches', numeric: true },
      { title: 'gates' },
      { title: 'why', cut: 'end', spare: 4 },
    ],
    rows.map(({ keyStatus, totals, gates }) => [
      keyStatus.backend,
      keyStatus.key,
      keyStatus.stage,
      keyStatus.flag.stage,
      ...totals.map(String),
      [gates?.decision ?? '–', ...(gates?.ahead === undefined ? [] : [gates.ahead])].join(', '),
      visibleText(keyStatus.why, mostText),
    ]),
    terminal.width,
  ).map((line, at) => paintRow(terminal, line, rows[at - 2]?.keyStatus));
}

function statusJson(
  migration: Migration,
  rows: readonly StatusRow[],
  notes: readonly string[],
): JsonAnswer {
  // Most keys have none: few are gone through for each of thousands.
  const failing = failedCalls(migration.recordings?.shapes ?? []);
  return {
    ledger: migration.ledgerPlace,
    store: migration.ledgerPlace,
    flags: { file: migration.place.flagsFile, ...migration.flags.status() },
    killed: migration.backends.filter(
      (backend) => migration.lastLine(backend, allKeys)?.held === true,
    ),
    ledgerDecides: migration.ledgerDecides,
    keys: rows.map(
      ({ keyStatus, totals: [calls, failed, compared, mismatches], gates, slow, next }) => ({
        backend: keyStatus.backend,
        key: keyStatus.key,
        stage: keyStatus.stage,
        flagStage: keyStatus.flag.stage,
        held: keyStatus.line?.held ?? false,
        by: keyStatus.by,
        why: keyStatus.why,
        calls,
        failed,
        compared,
        mismatches,
        gates,
        ...(slow === undefined ? {} : { slow }),
        next,
        errors: failing
          .filter(({ backend, key }) => backend === keyStatus.backend && key === keyStatus.key)
          .map(errorJson),
        reliance: relianceOfKey(migration.recordings, keyStatus.backend, keyStatus.key),
      }),
    ),
    notes,
    next: [...new Set(rows.flatMap(({ next }) => next))],
  };
}

/** Where failures are what is wrong, they are shown however little room there is. */
function spareUnless(failed: boolean): { readonly spare?: number } {
  return failed ? {} : { spare: 3 };
}

function flagsText({ flags, place }: Migration): string {
  const { source, revision } = flags.status();
  const where = place.unleashUrl ?? place.flagsFile;
  if (source !== 'default') return `from the ${source}, revision ${revision} (${where})`;
  return place.unleashUrl === undefined && !existsSync(place.flagsFile)
    ? `none: every call goes to legacy; npx changeover init makes them (${where})`
    : `none that can be used (${where})`;
}

/** What the reader must know of flags that can't be used. */
function flagsNotes({ flags, place }: Migration): string[] {
  const { lastError, source } = flags.status();
  if (place.unleashUrl === undefined && !existsSync(place.flagsFile))
    return [`There are no flags at ${place.flagsFile}. To begin with: npx changeover init`];
  if (lastError === undefined) return [];
  return [
    `The flags: ${lastError.message}`,
    ...(source === 'default'
      ? [
          'Without flags this shows where a program stands that starts now. Those that run keep the flags that they read last.',
        ]
      : []),
  ];
}

/** What stands before the next step; null where nothing does. */
function gatesOf(
  migration: Migration,
  { backend, key, stage, flag }: KeyStatus,
): {
  readonly decision: Decision;
  readonly reason: string;
  readonly ahead?: string | undefined;
} | null {
  if (stage === 'legacy') return null;
  const verdict = migration.keyVerdict(backend, key);
  if (typeof verdict === 'string') return { decision: 'INCONCLUSIVE', reason: verdict };
  const { decision, reason } = verdict;
  // Only where its flag wants it there does it go there by itself.
  const ahead = flag.stage === 'pooled' ? aheadText(verdict) : undefined;
  return { decision, reason, ...(ahead === undefined ? {} : { ahead }) };
}

/** A line a key of which a leg is slow. */
function slowLines(rows: readonly StatusRow[]): string[] {
  return rows.flatMap(({ keyStatus: { backend, key }, slow }) =>
    slow === undefined ? [] : [`${visibleText(backend)} ${visibleText(key)}: ${slow}`],
  );
}

/** A line a key and guarantee that its callers rely on. */
function relianceLines({ recordings }: Migration, rows: readonly StatusRow[]): string[] {
  return rows.flatMap(({ keyStatus: { backend, key } }) =>
    relianceOfKey(recordings, backend, key).map((line) => `${backend} ${key} ${line}`),
  );
}

function linesBlock(lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const rest = lines.length - mostLines;
  return [
    '',
    ...lines.slice(0, mostLines),
    ...(rest > 0 ? [`… and ${String(rest)} more lines: changeover report`] : []),
  ];
}

function totalsOf(totals: TotalsBy | undefined): [number, number, number, number] {
  return [totals?.calls ?? 0, totals?.failed ?? 0, totals?.compared ?? 0, totals?.mismatch ?? 0];
}

function paintRow(terminal: Terminal, line: string, keyStatus: KeyStatus | undefined): string {
  if (keyStatus === undefined) return line;
  if (keyStatus.by === 'hold') return terminal.paint('red', line);
  return keyStatus.stage === 'pooled' ? terminal.paint('green', line) : line;
}

/** Holds that are on no line of the table. */
function heldNotes(migration: Migration): string[] {
  return migration.backends.flatMap((backend) =>
    [allKeys, noKey].flatMap((target) => {
      const line = migration.lastLine(backend, target);
      if (line?.held !== true) return [];
      const what =
        target.kind === 'all' ? `All of ${backend}` : `What concerns no key of ${backend}`;
      return [
        `${what} is held at ${line.to} by ${line.who}: ${line.reason}. ` +
          `End it: changeover resume ${typedWord(backend)} --reason "..."`,
      ];
    }),
  );
}

/** What the reader must know to trust the table. */
export function notesOf(migration: Migration): string[] {
  const { lastError, stale } = migration.flags.status();
  return [
    ...whoDecidesNotes(migration),
    ...(migration.ledgerError === undefined
      ? []
      : [
          `The ledger in ${migration.ledgerPlace} can't be read, so no holds are known: ${migration.ledgerError}`,
        ]),
    ...(migration.recordings === undefined
      ? [
          `There is no comparison store at ${migration.ledgerPlace} yet: no calls are known` +
            `${migration.hasLedger ? '' : ', and no holds'}. --store names another.`,
        ]
      : migration.recordings.notes),
    ...flagsNotes(migration),
    ...(stale && lastError === undefined
      ? ['The flags are older than they should be: the source does not answer.']
      : []),
  ];
}
