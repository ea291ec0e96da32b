import { existsSync, statSync } from 'node:fs';
import { allKeys, ChangeoverError, type Stage, systemClock, type Target } from '@changeover/core';
import {
  acceptedIn,
  anyOperation,
  callTarget,
  flagsDecideAlone,
  GateJudge,
  type KeyVerdict,
  holdLimit,
  HourBook,
  type LedgerChange,
  ledgerLimit,
  type JudgedData,
  type LedgerStore,
  type ReportData,
  resolveStage,
  targetOfRow,
  noRecordings,
  inTurns,
  recordingsInSteps,
  readNames,
  readSharedRecordings,
  readLedgerFile,
  resumptions,
  rowDataset,
  silentLogger,
  type StageDecision,
  stageFlag,
  type StageLimit,
  type StageSource,
  wishOf,
} from '@changeover/bridge';
import { type ParsedSettings, parseSettings } from '@changeover/bridge';
import { openLedgerStore } from '@changeover/bridge';
import { openStageSource } from '@changeover/bridge';
import type { KeyBackground, Report } from '../report/report.ts';
import { CommandError } from './command-error.ts';
import { serverAnswer } from './server-answer.ts';
import { usableGates } from './usable-gates.ts';

/** Where the migration is, as options; what isn't given comes from the environment as it does for a program. */
export interface PlaceOptions {
  readonly basePath?: string;
  readonly flags?: string;
  readonly store?: string;
  readonly gates?: string;
}

/** A key's place on the way, and why. */
export interface KeyStatus {
  readonly backend: string;
  readonly key: string;
  readonly stage: Stage;
  /** Who decides: the flags alone, a hold, or a ledger that has not stepped forward yet. */
  readonly by: StageLimit['by'];
  readonly why: string;
  readonly flag: StageDecision;
  /** The line that the ledger goes by, of the key or of its whole backend. */
  readonly line: LedgerChange | undefined;
}

/** As long as the router takes them. */
const maxKeyLength = 200;

/** Under this name in place of a backend's, the ledger says when flags were replaced as a whole. */
export const flagsSubject = 'flags';

/** What a key that the ledger has moved waits for, as it can be told from outside. */
const stepWaits = 'it stays there until the gates let it step forward';

interface KeyLimit extends StageLimit {
  readonly line: LedgerChange | undefined;
}

interface Knowledge {
  readonly place: ParsedSettings;
  readonly flags: StageSource;
  readonly ledger: readonly LedgerChange[];
  readonly ledgerError: string | undefined;
  readonly recordings: ReportData | undefined;
  /** When it was asked for, by `performance.now()`. Default: now. */
  readonly beganMs?: number | undefined;
}

/** What can be known of a migration from outside of the programs that are in it. Reads, never writes. */
export class Migration {
  readonly place: ParsedSettings;
  readonly flags: StageSource;
  readonly ledger: readonly LedgerChange[];
  /** Why the ledger could not be read; undefined where it was, or where there is none yet. */
  readonly ledgerError: string | undefined;
  readonly recordings: ReportData | undefined;
  /** When it was asked for, by `performance.now()`: a person waits since then. */
  readonly beganMs: number;
  #judge: GateJudge | undefined;
  #lines: ReadonlyMap<string, readonly LedgerChange[]> | undefined;

  constructor({ place, flags, ledger, ledgerError, recordings, beganMs }: Knowledge) {
    this.place = place;
    this.flags = flags;
    this.ledger = ledger;
    this.ledgerError = ledgerError;
    this.recordings = recordings;
    this.beganMs = beganMs ?? performance.now();
  }

  /** Where the ledger is, for people: no password is in it. */
  get ledgerPlace(): string {
    return this.place.ledgerUrl === undefined
      ? this.place.storePath
      : withoutPassword(this.place.ledgerUrl);
  }

  /** True where there is a ledger to write to. */
  get hasLedger(): boolean {
    return (
      this.ledgerError === undefined &&
      (this.place.ledgerUrl !== undefined || existsSync(this.place.storePath))
    );
  }

  /** For the time of `use`, for writing. */
  async withLedgerStore<T>(use: (store: LedgerStore) => Promise<T>): Promise<T> {
    const store = openLedgerStore(this.place, silentLogger);
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  }

  /** The line that counts: a target's last one. */
  lastLine(backend: string, target: Target): LedgerChange | undefined {
    return this.#linesOf(backend, rowDataset(target)).at(-1);
  }

  /** The lines of one name, oldest first: they are asked for of each of thousands of keys. */
  #linesOf(backend: string, dataset: string): readonly LedgerChange[] {
    this.#lines ??= byName(this.ledger);
    return this.#lines.get(`${backend}\0${dataset}`) ?? [];
  }

  keyStatus(backend: string, key: string, operation: string = anyOperation): KeyStatus {
    return this.#keyStatus(
      { backend, key, operation },
      this.lastLine(backend, allKeys),
      this.lastLine(backend, callTarget(key)),
    );
  }

  /** How a key would stand if that line, the last one of its name, held nothing. */
  statusWithout(line: LedgerChange, backend: string, key: string): KeyStatus {
    const [whole, own] = [allKeys, callTarget(key)]
      .map((target) => this.lastLine(backend, target))
      .map((one) => (one === line ? { ...one, held: false } : one));
    return this.#keyStatus({ backend, key, operation: anyOperation }, whole, own);
  }

  #keyStatus(
    {
      backend,
      key,
      operation,
    }: { readonly backend: string; readonly key: string; readonly operation: string },
    whole: LedgerChange | undefined,
    own: LedgerChange | undefined,
  ): KeyStatus {
    const flag = this.flags.decide({ backend, dataset: key, operation });
    const wish: KeyLimit = { ...wishOf(flag), line: own };
    const holds = [
      ...(whole?.held === true ? [{ ...holdLimit(whole.to, whole, backend), line: whole }] : []),
      ...(own?.held === true ? [{ ...holdLimit(own.to, own), line: own }] : []),
    ];
    const steps = this.ledgerDecides
      ? [{ ...ledgerLimit(own?.to ?? 'legacy', stepWaits), line: own }]
      : [];
    const { stage, by, reason } = resolveStage(wish, [...holds, ...steps]);
    const [firstHold, ...otherHolds] = holds;
    const line = firstHold === undefined ? own : resolveStage(firstHold, otherHolds).line;
    return { backend, key, flag, line, stage, by, why: reason };
  }

  /** Whether the ledger decides over steps forward, as it does where no program says otherwise. */
  get ledgerDecides(): boolean {
    return this.recordings === undefined || !flagsDecideAlone(this.recordings);
  }

  /** The operations of a key that need no comparisons: its flag's payload and the ledger say which. */
  accepted(backend: string, key: string): readonly string[] {
    const { settings } = this.flags.decide({ backend, dataset: key, operation: anyOperation });
    const lines = this.#linesOf(backend, rowDataset(callTarget(key)));
    return [...new Set([...settings.accept, ...lines.flatMap(acceptedIn)])];
  }

  /**
   * What a step forward is judged by: the same for every command, the report, the console and the exit code.
   *
   * @param accept operations of one key that are about to be accepted. Default: none.
   * @throws {CommandError} where the gates file can't be used.
   */
  judge(accept?: {
    readonly backend: string;
    readonly key: string;
    readonly operations: readonly string[];
  }): GateJudge {
    return new GateJudge(this.judged(accept));
  }

  /** What {@link Migration.judge} asks about: nothing was recorded where there is no store. */
  judged(accept?: Parameters<Migration['judge']>[0]): JudgedData {
    const data = this.recordings ?? noRecordings(systemClock.wallMs());
    const isNew = (backend: string, key: string): boolean =>
      accept?.backend === backend && accept.key === key;
    return {
      data,
      gates: usableGates(this.place),
      position: (backend, key) => {
        const { stage, line, flag } = this.keyStatus(backend, key);
        return {
          stage,
          guarantees: flag.settings.guarantees,
          held:
            line?.held === true
              ? `is held at ${line.to} by ${line.who}: ${line.reason}`
              : undefined,
          accepted: [
            ...this.accepted(backend, key),
            ...(isNew(backend, key) ? (accept?.operations ?? []) : []),
          ],
        };
      },
    };
  }

  /** What a key's page says of it beside what was recorded. */
  background(backend: string, key: string): KeyBackground {
    const { stage, reason, source, revision } = this.keyStatus(backend, key).flag;
    const ledger = [allKeys, callTarget(key)].flatMap((target) =>
      this.#linesOf(backend, rowDataset(target)),
    );
    return {
      flag: { name: stageFlag(backend), stage, reason, source, revision },
      ledger: ledger.sort((a, b) => a.sequence - b.sequence),
    };
  }

  /** What a report is made of. */
  report(): Report {
    return {
      ...this.judged(),
      background: (backend, key) => this.background(backend, key),
      keys: this.backends.flatMap((backend) => this.keys(backend).map((key) => ({ backend, key }))),
    };
  }

  /** What the gates say of one key, and of a gates file that can't be used. */
  keyVerdict(backend: string, key: string): KeyVerdict | string {
    try {
      this.#judge ??= this.judge();
      return this.#judge.key(backend, key);
    } catch (error) {
      if (error instanceof CommandError) return error.message;
      throw error;
    }
  }

  /** Backends that were called, were moved, or have a flag. */
  get backends(): string[] {
    const names = new Set<string>(this.flags.status().backends);
    for (const { backend } of this.recordings?.byBackend ?? []) names.add(backend);
    for (const { backend } of this.ledger) if (backend !== flagsSubject) names.add(backend);
    return [...names].sort();
  }

  /** Operations that were called on a backend. */
  operations(backend: string): string[] {
    const cells = (this.recordings?.cells ?? []).filter((cell) => cell.backend === backend);
    return [...new Set(cells.flatMap(({ operation }) => operation ?? []))].sort();
  }

  /** Keys that were called or moved. */
  keys(backend: string): string[] {
    const names = new Set<string>();
    for (const totals of this.recordings?.byDataset ?? [])
      if (totals.backend === backend) names.add(totals.dataset ?? '');
    for (const line of this.ledger) if (line.backend === backend) names.add(line.dataset);
    // Neither calls nor lines that are about no key, or all of them, name one.
    return [...names].filter((name) => keyProblem(name) === undefined).sort();
  }

  async close(): Promise<void> {
    await this.flags.close();
  }
}

function byName(ledger: readonly LedgerChange[]): ReadonlyMap<string, readonly LedgerChange[]> {
  const lines = new Map<string, LedgerChange[]>();
  for (const line of ledger) {
    const name = `${line.backend}\0${line.dataset}`;
    const known = lines.get(name);
    if (known === undefined) lines.set(name, [line]);
    else known.push(line);
  }
  return lines;
}

export function placeOf(
  options: PlaceOptions,
  env: Readonly<Record<string, string | undefined>>,
): ParsedSettings {
  return parseSettings(
    { flagsFile: options.flags, storePath: options.store, gatesFile: options.gates },
    env,
    options.basePath,
  );
}

/** What is read of a store: all that was counted, or for a step back who was called alone. */
export type Reading = 'counts' | 'names';

/** Reads everything once. Where a flag server is named, it has three seconds to answer, as a program's first calls
 * would be answered without it.
 *
 * @throws {CommandError} where there is a comparison store and it can't be read: no holds would be known. */
export async function openMigration(
  place: ParsedSettings,
  reading: Reading = 'counts',
): Promise<Migration> {
  const beganMs = performance.now();
  const isThere = statStore(place);
  const flags = openStageSource(place, silentLogger);
  try {
    const [read] = await Promise.all([
      readPlace(place, reading),
      place.unleashUrl === undefined ? undefined : serverAnswer(flags),
    ]);
    return new Migration({ place, flags, beganMs, ...read });
  } catch (error) {
    await flags.close();
    if (!isThere || error instanceof ChangeoverError) throw error;
    throw unreadableStore(place, error);
  }
}

/** False where there is none.
 *
 * @throws {CommandError} where that can't be told. */
export function statStore(place: ParsedSettings): boolean {
  if (place.ledgerUrl !== undefined) return true;
  try {
    return statSync(place.storePath, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw unreadableStore(place, error);
  }
}

/** What to say of a store that is there and can't be read. */
export function unreadableStore({ storePath }: ParsedSettings, error: unknown): CommandError {
  const { code, message } = error as Partial<Record<'code' | 'message', unknown>>;
  return new CommandError(
    `The comparison store ${storePath} can't be read (${String(code)}: ${String(message)}), so no calls and no ` +
      `holds are known. ${storeRemedy(storePath, String(message))}`,
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function storeRemedy(path: string, message: string): string {
  if (isFolder(path))
    return 'It is a folder: name the file, with --store FILE, or its base folder with --base-path FOLDER.';
  return message.includes('not a database')
    ? 'It is another file, or a damaged one: name the store of your program with --store PLACE.'
    : '--store PLACE names another; you need to be a user who may write where it is.';
}

/** Ledger and recordings as they stand. Where a shared store can't be read, why.
 *
 * @param hours what was recorded is added to it by the hour.
 * @throws where a store's file is there and can't be read. */
export async function readPlace(
  place: ParsedSettings,
  reading: Reading = 'counts',
  hours?: HourBook,
): Promise<Pick<Knowledge, 'ledger' | 'ledgerError' | 'recordings'>> {
  const { storePath, ledgerUrl } = place;
  if (ledgerUrl === undefined) {
    if (!existsSync(storePath))
      return { ledger: [], ledgerError: undefined, recordings: undefined };
    const ledger = readLedgerFile(storePath);
    if (reading === 'names')
      return { ledger, ledgerError: undefined, recordings: await readNames(storePath) };
    const at = hours ?? new HourBook(systemClock.wallMs());
    // A console has pages to answer meanwhile.
    const steps = recordingsInSteps(storePath, systemClock, resumptions(ledger), at);
    const recordings = await inTurns(systemClock, steps);
    return { ledger, ledgerError: undefined, recordings };
  }
  const store = openLedgerStore(place, silentLogger);
  try {
    const ledger = await store.read(0);
    const recordings =
      reading === 'names'
        ? await namesIfReadable(ledgerUrl)
        : await readSharedRecordings(ledgerUrl, systemClock, resumptions(ledger), hours);
    return { ledger, ledgerError: undefined, recordings };
  } catch (error) {
    const ledgerError = String((error as { message?: unknown }).message);
    return { ledger: [], ledgerError, recordings: undefined };
  } finally {
    await store.close();
  }
}

/** A server that answers no more than the ledger must not stand in the way back: then keys are known by the ledger alone. */
async function namesIfReadable(url: string): Promise<ReportData | undefined> {
  try {
    return await readNames(url);
  } catch {
    return undefined;
  }
}

/** @throws {CommandError} where there is no ledger: written to a wrong place, a rollback would reach nobody. */
export function requireLedger(migration: Migration): void {
  if (migration.ledgerError !== undefined) {
    throw new CommandError(
      `The ledger in ${migration.ledgerPlace} can't be read: ${migration.ledgerError}. Nothing was ` +
        `changed. ${withoutLedger}`,
    );
  }
  if (!migration.hasLedger) requireStore(migration.place);
}

/** What a person does where the ledger can't be had. */
export const withoutLedger =
  'Until it can, set "enabled": false on the flag "changeover": every call goes to the legacy leg.';

/** @throws {CommandError} where there is no comparison store. */
export function requireStore(place: ParsedSettings): void {
  if (statStore(place)) return;
  throw new CommandError(
    `There is no comparison store at ${place.storePath}. It is made by the first program that uses the ` +
      "bridge. Name that program's store with --store PLACE, or its base folder with --base-path FOLDER. " +
      'To begin with: npx changeover init',
  );
}

function withoutPassword(address: string): string {
  const url = new URL(address);
  url.password = '';
  url.search = '';
  return url.href;
}

/** Why a name can't be a key's; undefined where it can. What no key can be called stands for more than one. */
export function keyProblem(name: string): string | undefined {
  if (targetOfRow(name).kind !== 'key') return `A key can't be called ${JSON.stringify(name)}.`;
  return name.length > maxKeyLength
    ? `A key has at most ${String(maxKeyLength)} characters.`
    : undefined;
}

/** All backends, with what is known of each. */
export function keyStatuses(migration: Migration): KeyStatus[] {
  return migration.backends.flatMap((backend) =>
    migration.keys(backend).map((key) => migration.keyStatus(backend, key)),
  );
}
