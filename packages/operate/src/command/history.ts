import type { LedgerChange } from '@changeover/bridge';
import { visibleText } from '@changeover/bridge';
import { textTable } from '../report/text-table.ts';
import { CommandError } from './command-error.ts';
import { concerns, isWhole, lineJson, lineSubject } from './ledger-lines.ts';
import { flagsSubject, type KeyStatus, keyStatuses, type Migration } from './migration.ts';
import { nextOfKeys } from './next-commands.ts';
import type { Terminal } from './terminal.ts';

/** Characters of a reason in a line; JSON has all of it. */
const mostText = 200;

/** Which lines of the ledger are shown. */
export interface HistoryOptions {
  readonly backend: string | undefined;
  readonly key: string | undefined;
  readonly limit: number;
}

/** The ledger's lines, the latest last: `changeover history`. Of one key, those of its whole backend are among them. */
export function showHistory(
  migration: Migration,
  terminal: Terminal,
  { backend, key, limit }: HistoryOptions,
): void {
  const { ledgerError, ledgerPlace } = migration;
  if (ledgerError !== undefined)
    throw new CommandError(`The ledger in ${ledgerPlace} can't be read: ${ledgerError}.`);
  const lines = migration.ledger.filter(
    (line) =>
      (backend === undefined || line.backend === backend) &&
      (key === undefined || concerns(line, key)),
  );
  const shown = lines.slice(-limit);
  const table = textTable(
    [
      { title: 'when (UTC)' },
      { title: 'backend' },
      { title: 'key', cut: 'middle' },
      { title: 'change' },
      { title: 'who', cut: 'middle', spare: 1 },
      { title: 'why', cut: 'end' },
    ],
    shown.map((line) => [
      new Date(line.at).toISOString().slice(0, 19).replace('T', ' '),
      line.backend,
      lineSubject(line),
      changeText(line),
      visibleText(line.who, mostText),
      visibleText(line.reason, mostText),
    ]),
    terminal.width,
  );
  const older = lines.length - shown.length;
  terminal.answer(
    [
      ...(shown.length === 0
        ? [`Nothing is in the ledger${backend === undefined ? '' : ' of these'} yet.`]
        : table),
      ...(older === 0
        ? []
        : ['', `${String(older)} older lines: --limit ${String(lines.length)} shows them all.`]),
    ],
    {
      ledger: ledgerPlace,
      lines: shown.map(lineJson),
      older,
      next: nextOfKeys(migration, keysOf(migration, shown, key)),
    },
  );
}

/** The keys that lines are about; those of a whole backend where nothing narrower was asked for. */
function keysOf(
  migration: Migration,
  lines: readonly LedgerChange[],
  asked: string | undefined,
): readonly KeyStatus[] {
  return keyStatuses(migration).filter(
    ({ backend, key }) =>
      (asked === undefined || key === asked) &&
      lines.some((line) => line.backend === backend && concerns(line, key)),
  );
}

/** What a line did, in a few words. */
export function changeText(line: LedgerChange): string {
  const { backend, from, to, held } = line;
  if (backend === flagsSubject) return 'replaced';
  // Of a whole backend the ledger knows a limit, and not where its keys were.
  if (isWhole(line)) return held ? `held at ${to}` : 'resumed';
  const move = from === to ? to : `${from} → ${to}`;
  return held ? `${move}, held` : from === to ? `${move}, resumed` : move;
}
