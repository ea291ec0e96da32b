import { type Engine, type Stage } from '@changeover/core';
import type { LedgerChange } from '@changeover/router';
import { CommandError } from './command-error.ts';
import { type Migration, requireStore } from './migration.ts';
import type { Terminal } from './terminal.ts';
import { writeLedger } from './write-ledger.ts';

/** Who changes something, why, and whether it is only to be shown. */
export interface ChangeOptions {
  readonly who: string;
  readonly reason: string;
  readonly plan: boolean;
}

/** A change of one dataset, or with the empty name of all datasets of the engine. */
export interface Subject {
  readonly engine: Engine;
  readonly dataset: string;
}

const follow = 'Running programs that share this store follow within two seconds.';

/** Puts a dataset, or an engine, back to `legacy` until a person resumes it: `changeover rollback`, `changeover kill`. */
export async function holdAtLegacy(migration: Migration, terminal: Terminal, subject: Subject, options: ChangeOptions): Promise<void> {
  requireStore(migration.place);
  const { engine, dataset } = subject;
  const { who, reason } = options;
  const from = stageOf(migration, subject);
  const last = migration.lastLine(engine, dataset);
  if (isHeldAtLegacy(last)) {
    answer(terminal, undefined, [`${nameOf(subject)} is held at legacy already, by ${last.who}: ${last.reason}`]);
    return;
  }
  if (options.plan) {
    answer(terminal, undefined, [`Would move ${nameOf(subject)} from ${from} to legacy and hold it there. Nothing was changed.`]);
    return;
  }
  const change = await writeLedger(migration.place.storePath, engine, dataset, (line) => (isHeldAtLegacy(line) ? undefined
    : { at: Date.now(), backend: engine, dataset, from, to: 'legacy', held: true, who, reason, revision: '' }));
  answer(terminal, change, [
    `${nameOf(subject)}: ${from} → ${terminal.paint('bold', 'legacy')}, held there.`, follow,
    `To end it: changeover resume ${engine}${dataset === '' ? '' : ` ${dataset}`} --reason "..."`,
  ]);
}

/** Ends a hold: `changeover resume`. */
export async function resume(migration: Migration, terminal: Terminal, subject: Subject, options: ChangeOptions): Promise<void> {
  requireStore(migration.place);
  const { engine, dataset } = subject;
  const { who, reason } = options;
  const last = migration.lastLine(engine, dataset);
  const whole = migration.lastLine(engine, '');
  if (last?.held !== true) {
    if (dataset !== '' && whole?.held === true) {
      throw new CommandError(`Not ${dataset} alone is held, all of ${engine} is. Type: changeover resume ${engine} --reason "..."`);
    }
    answer(terminal, undefined, [`${nameOf(subject)} is not held: there is nothing to resume.`]);
    return;
  }
  const asks = dataset === '' ? 'the flags decide again over each dataset'
    : `the flag decides again, and asks for ${stageAsked(migration, subject)}`;
  if (options.plan) {
    answer(terminal, undefined, [`Would end the hold on ${nameOf(subject)}: ${asks}. Nothing was changed.`]);
    return;
  }
  const change = await writeLedger(migration.place.storePath, engine, dataset, (line) => (line?.held !== true ? undefined : {
    at: Date.now(), backend: engine, dataset, from: line.to, to: dataset === '' ? 'pooled' : line.to, held: false, who,
      reason, revision: '',
  }));
  const stillHeld = dataset !== '' && whole?.held === true
    ? [`All of ${engine} is still held: changeover resume ${engine} --reason "..."`] : [];
  answer(terminal, change, [`${nameOf(subject)} is resumed: ${asks}.`, follow, ...stillHeld]);
}

/** One answer's shape for all commands that change something. */
export function answer(terminal: Terminal, change: LedgerChange | undefined, text: readonly string[], more: object = {}): void {
  terminal.answer(text, { changed: change !== undefined, change: change ?? null, message: text.join(' '), ...more });
}

export function nameOf({ engine, dataset }: Subject): string {
  return dataset === '' ? `Every dataset of ${engine}` : `${engine} ${dataset}`;
}

function isHeldAtLegacy(line: LedgerChange | undefined): line is LedgerChange {
  return line?.held === true && line.to === 'legacy';
}

function stageOf(migration: Migration, { engine, dataset }: Subject): Stage {
  return dataset === '' ? migration.lastLine(engine, '')?.to ?? 'pooled' : migration.standing(engine, dataset).stage;
}

function stageAsked(migration: Migration, { engine, dataset }: Subject): Stage {
  return migration.standing(engine, dataset).flag.stage;
}
