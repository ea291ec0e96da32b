import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { earlierStage, type Engine, engines, parseDatasetName, type Stage, type Timer, systemClock } from '@changeover/core';
import {
  type LedgerChange, type ReportData, readRecordings, readSqliteLedger, silentLogger, type StageDecision, type StageSource,
} from '@changeover/router';
import { type ParsedBridgeOptions, parseBridgeOptions } from '../bridge-options.ts';
import { openStageSource } from '../open-stage-source.ts';
import { CommandError } from './command-error.ts';

/** Where the migration is, as options; what isn't given comes from the environment as it does for a program. */
export interface PlaceOptions {
  readonly basePath?: string;
  readonly flags?: string;
  readonly store?: string;
}

/** A dataset's place on the way, and why. */
export interface Standing {
  readonly engine: Engine;
  readonly dataset: string;
  readonly stage: Stage;
  /** Who decides: the flags alone, a hold, or a ledger that has not stepped forward yet. */
  readonly by: 'flag' | 'hold' | 'ledger';
  readonly why: string;
  readonly flag: StageDecision;
  /** The line that the ledger goes by, of the dataset or of its whole engine. */
  readonly line: LedgerChange | undefined;
}

/** The operation under which a dataset's own stage is asked for: no limit and no constraint names it. */
export const anyOperation = '*';
const serverWaitMs = 3_000;

/** What can be known of a migration from outside of the programs that are in it. Reads, never writes. */
export class Migration implements AsyncDisposable {
  readonly place: ParsedBridgeOptions;
  readonly flags: StageSource;
  readonly ledger: readonly LedgerChange[];
  readonly recordings: ReportData | undefined;

  constructor(place: ParsedBridgeOptions, flags: StageSource) {
    this.place = place;
    this.flags = flags;
    const there = existsSync(place.storePath);
    this.ledger = there ? readSqliteLedger(place.storePath) : [];
    this.recordings = there ? readRecordings(place.storePath) : undefined;
  }

  /** The lines that count: the last one of each name; the empty name is the whole engine. */
  lastLine(engine: Engine, dataset: string): LedgerChange | undefined {
    return this.ledger.findLast((line) => line.backend === engine && line.dataset === dataset);
  }

  standing(engine: Engine, dataset: string, operation: string = anyOperation): Standing {
    const flag = this.flags.decide({ backend: engine, dataset, operation });
    const [whole, own] = [this.lastLine(engine, ''), this.lastLine(engine, dataset)];
    const line = whole?.held === true ? whole : own;
    const stands = { engine, dataset, flag, line };
    if (line?.held === true && earlierStage(flag.stage, line.to) !== flag.stage) {
      return { ...stands, stage: line.to, by: 'hold', why: `held by ${line.who}: ${line.reason}` };
    }
    const allowed = this.ledgerDecides(engine) ? line?.to ?? 'legacy' : flag.stage;
    if (earlierStage(flag.stage, allowed) === flag.stage) return { ...stands, stage: flag.stage, by: 'flag', why: flag.reason };
    return { ...stands, stage: allowed, by: 'ledger', why: `the ledger lets it step forward next; ${flag.reason}` };
  }

  /** Whether programs let the ledger decide over steps forward: those that do write down what the flag asked for. */
  ledgerDecides(engine: Engine): boolean {
    return this.ledger.some(({ backend, who }) => backend === engine && who === 'flag');
  }

  /** Datasets that were called, moved, or lie in the base folder. */
  datasets(engine: Engine): string[] {
    const names = new Set<string>(this.#files(engine));
    for (const { backend, dataset } of this.recordings?.byDataset ?? []) if (backend === engine) names.add(dataset ?? '');
    for (const { backend, dataset } of this.ledger) if (backend === engine) names.add(dataset);
    return [...names].filter(isDatasetName).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flags.close();
  }

  #files(engine: Engine): string[] {
    const { basePath } = this.place.location;
    if (engine === 'postgresql' || !existsSync(basePath)) return [];
    return readdirSync(basePath).filter((name) => existsSync(join(basePath, name, `dataset.${engine}`)));
  }
}

export function placeOf(options: PlaceOptions, env: Readonly<Record<string, string | undefined>>): ParsedBridgeOptions {
  return parseBridgeOptions({ basePath: options.basePath, flagsFile: options.flags, storePath: options.store }, env);
}

/** Reads everything once. Where a flag server is named, it has three seconds to answer, as a program's first calls
 * would be answered without it. */
export async function openMigration(place: ParsedBridgeOptions): Promise<Migration> {
  const flags = openStageSource(place, silentLogger);
  try {
    if (place.unleashUrl !== undefined) await serverAnswer(flags);
    return new Migration(place, flags);
  } catch (error) {
    await flags.close();
    throw error;
  }
}

/** @throws {CommandError} where there is no store: written to a wrong place, a rollback would reach nobody. */
export function requireStore({ storePath }: ParsedBridgeOptions): void {
  if (existsSync(storePath)) return;
  throw new CommandError(`There is no comparison store at ${storePath}. It is made by the first program that uses the ` +
    'bridge. Name that program\'s store with --store FILE, or its base folder with --base-path FOLDER.');
}

async function serverAnswer(flags: StageSource): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const look = (): void => { if (flags.status().source === 'server') resolve(undefined); };
  const end = flags.subscribe(look);
  look();
  // A timer of the project's clock keeps no process alive; this wait must.
  const alive = setInterval(look, 50);
  const timer: Timer = systemClock.after(serverWaitMs, () => { resolve(undefined); });
  await promise;
  clearInterval(alive);
  timer.cancel();
  end();
}

function isDatasetName(name: string): boolean {
  try {
    return parseDatasetName(name) === name;
  } catch {
    return false;
  }
}

/** All engines, with what is known of each. */
export function standings(migration: Migration): Standing[] {
  return engines.flatMap((engine) => migration.datasets(engine).map((dataset) => migration.standing(engine, dataset)));
}
