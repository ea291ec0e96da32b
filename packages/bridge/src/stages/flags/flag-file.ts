import { statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { describe, type Clock, type Timer } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { FlagLayer, revisionOf } from './flag-layer.ts';
import { readFlagsText } from './read-flags-text.ts';
import { checkFlags, type CheckedFlags } from './flags-document.ts';

/** What a watched file is made of. */
export interface FlagFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The `environment` of the flags' context. Default: `default`. */
  readonly environment?: string | undefined;
  /** The file is looked at this often even where the system tells of no change (network folders, replaced folders), in
   * ms. Default: 2,000. */
  readonly pollIntervalMs?: number | undefined;
  /** Called after other flags were loaded. */
  readonly onChange: () => void;
}

/** A file isn't read sooner than this after the system told of a change: most writers make several in a row. */
const debounceMs = 15;
/** A file that can't be used is read once more after this long before anyone is told: it may be half written. */
const settleMs = 60;
/**
 * The flags file, read in the constructor and again whenever it changes. What can't be used leaves the last good
 * flags in force and is logged once. Reading is synchronous: the file is small, and the thread pool may be taken up
 * by queries.
 */
export class FlagFile {
  readonly path: string;
  readonly layer: FlagLayer;
  readonly #options: FlagFileOptions;
  readonly #pollIntervalMs: number;
  #watcher: FSWatcher | undefined = undefined;
  #pollTimer: Timer | undefined = undefined;
  #readTimer: Timer | undefined = undefined;
  #closed = false;
  #seen = '';
  #loadedAt: number | undefined = undefined;
  #confirmedMs: number | undefined = undefined;
  #lastError: { readonly at: number; readonly message: string } | undefined = undefined;

  constructor(options: FlagFileOptions) {
    this.#options = options;
    this.path = resolve(options.path);
    this.layer = new FlagLayer('file', options.environment);
    this.#pollIntervalMs = options.pollIntervalMs ?? 2_000;
    this.#watch();
    this.#seen = this.#signature();
    const outcome = this.#read();
    if ('problem' in outcome) this.#complain(outcome.problem);
    else this.#load(outcome);
    this.#schedulePoll();
  }

  get loadedAt(): number | undefined {
    return this.#loadedAt;
  }

  /** How long ago the file was last seen to hold what is loaded, in ms. */
  get stalenessMs(): number | undefined {
    return this.#confirmedMs === undefined
      ? undefined
      : this.#options.clock.monotonicMs() - this.#confirmedMs;
  }

  /** True where the file couldn't be used, or wasn't looked at for long. */
  get stale(): boolean {
    return (
      this.#lastError !== undefined || (this.stalenessMs ?? Infinity) > 3 * this.#pollIntervalMs
    );
  }

  get lastError(): { readonly at: number; readonly message: string } | undefined {
    return this.#lastError;
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#pollTimer?.cancel();
    this.#readTimer?.cancel();
  }

  /** The folder is watched, not the file: writers replace files, and the watch would stay with the old one. */
  #watch(): void {
    try {
      const watcher = watch(dirname(this.path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(this.path)) this.#readSoon(debounceMs);
      });
      watcher.on('error', () => {
        this.#endWatch(watcher);
      });
      this.#watcher = watcher;
    } catch {
      // No such folder yet, or no watches left: polling finds the file, and the next poll tries again to watch.
      this.#watcher = undefined;
    }
  }

  #endWatch(watcher: FSWatcher): void {
    watcher.close();
    if (this.#watcher === watcher) this.#watcher = undefined;
  }

  #schedulePoll(): void {
    this.#pollTimer = this.#options.clock.after(this.#pollIntervalMs, () => {
      if (this.#closed) return;
      if (this.#watcher === undefined) this.#watch();
      this.#poll();
      this.#schedulePoll();
    });
  }

  #poll(): void {
    const signature = this.#signature();
    if (signature !== this.#seen && this.#readTimer === undefined) {
      // The watch should have told: it may be on a folder that was replaced.
      if (this.#watcher !== undefined) this.#endWatch(this.#watcher);
      this.#watch();
      this.#readSoon(0);
    } else if (signature === this.#seen && this.#lastError === undefined) {
      this.#confirmedMs = this.#options.clock.monotonicMs();
    }
  }

  /** What tells one state of the file from another without reading it; the empty string where there is none. */
  #signature(): string {
    try {
      const { ino, size, mtimeNs, ctimeNs } = statSync(this.path, { bigint: true });
      return `${String(ino)} ${String(size)} ${String(mtimeNs)} ${String(ctimeNs)}`;
    } catch {
      return '';
    }
  }

  #readSoon(delayMs: number, suspect = ''): void {
    if (this.#closed) return;
    this.#readTimer?.cancel();
    this.#readTimer = this.#options.clock.after(delayMs, () => {
      this.#readTimer = undefined;
      this.#reload(suspect);
    });
  }

  #reload(suspect: string): void {
    this.#seen = this.#signature();
    const outcome = this.#read();
    if (!('problem' in outcome)) {
      this.#load(outcome);
    } else if (outcome.problem === suspect) {
      this.#complain(outcome.problem);
    } else {
      this.#readSoon(settleMs, outcome.problem);
    }
  }

  #read(): FileContent | { readonly problem: string } {
    let text: string;
    try {
      text = readFlagsText(this.path);
    } catch (error) {
      return { problem: (error as Error).message };
    }
    return parseContent(this.path, text);
  }

  #load({ flags, revision }: FileContent): void {
    const { clock, logger, onChange } = this.#options;
    this.#confirmedMs = clock.monotonicMs();
    const before = this.layer.revision;
    const recovered = this.#lastError !== undefined;
    this.#lastError = undefined;
    if (revision === before) {
      if (recovered)
        logger.info(
          { file: this.path, revision },
          'the flags file is usable again; nothing changed',
        );
      return;
    }
    this.layer.load(flags, revision);
    this.#loadedAt = clock.wallMs();
    logger.info(
      { file: this.path, revision, before },
      before === '' ? 'flags loaded' : 'flags changed',
    );
    onChange();
  }

  /** Tells of each problem once, and again only after it was put right. */
  #complain(message: string): void {
    if (this.#lastError?.message === message) return;
    this.#lastError = { at: this.#options.clock.wallMs(), message };
    const { revision } = this.layer;
    const inForce =
      revision === ''
        ? 'no flags are loaded, so every call goes to the legacy leg'
        : `the flags of revision ${revision} stay in force`;
    this.#options.logger.error(
      { file: this.path, revision, problems: message.split('\n') },
      `the flags file can't be used, ${inForce}: ${message}`,
    );
  }
}

interface FileContent {
  readonly flags: CheckedFlags;
  readonly revision: string;
}

function parseContent(path: string, text: string): FileContent | { readonly problem: string } {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return {
      problem: `${describe(path)} is no JSON (${(error as Error).message}); is it whole?`,
    };
  }
  const flags = checkFlags(document, 'file');
  if (flags.problems.length > 0)
    return { problem: flags.problems.map(({ message }) => message).join('\n') };
  return { flags, revision: revisionOf(text) };
}
