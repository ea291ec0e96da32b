import { systemClock, type Clock, type Timer } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { checkSourceOptions } from './check-source-options.ts';
import { FlagFile } from './flag-file.ts';
import { FlagLayer, revisionOf } from './flag-layer.ts';
import { FlagPoller, type PollOutcome } from './flag-poller.ts';
import { checkFlags, type CheckedFlags } from './flags-document.ts';
import { keepFlags, readKeptFlags } from './kept-flags.ts';
import { LayeredFlags } from './layered-flags.ts';
import type { FlagStatus, StageContext, StageDecision, StageSource } from './stage-source.ts';

/** Where the flags are, and what the source needs. */
export interface ServerStageSourceOptions {
  /** The server's API: `https://unleash.example.com/api`. */
  readonly url: string;
  /** A client token, or a function that is asked for it before each request. */
  readonly token: string | (() => string);
  readonly logger: Logger;
  /** Where the last known good flags are kept over restarts. Default: in memory alone. */
  readonly lastKnownGoodPath?: string | undefined;
  /** The flags file for what neither the server nor the last known good has. Default: none. */
  readonly filePath?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  /** Default: `changeover`. */
  readonly appName?: string | undefined;
  readonly project?: string | undefined;
  /** The `environment` of the flags' context; which environment's flags come is the token's. Default: `default`. */
  readonly environment?: string | undefined;
  /** Default: 5,000. */
  readonly refreshIntervalMs?: number | undefined;
  /** Default: 5,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Stages from a real Unleash server, flag by flag: the server, else what it said last before it went silent or sent
 * something that can't be used, else the flags file, else `legacy`.
 *
 * Needs neither server nor network to begin: the first call can be routed in the same tick.
 *
 * @throws {InvalidOptionError} where it is given no url or no logger: nothing could say so later.
 */
export function openServerStageSource(options: ServerStageSourceOptions): StageSource {
  checkSourceOptions(
    'openServerStageSource',
    'url',
    "{ url: 'https://unleash.example/api', token, logger }",
    options,
  );
  return new ServerStageSource(options);
}

class ServerStageSource implements StageSource {
  readonly #options: ServerStageSourceOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #server: FlagLayer;
  readonly #kept: FlagLayer;
  readonly #file: FlagFile | undefined;
  readonly #flags: LayeredFlags;
  readonly #poller: FlagPoller;
  readonly #maxSilenceMs: number;
  #watchdog: Timer | undefined = undefined;
  #loadedAt: number | undefined = undefined;
  #keptAt: number | undefined = undefined;
  #heardMs: number | undefined = undefined;
  readonly #openedMs: number;
  #silent = false;
  #refused = '';
  #lastError: { readonly at: number; readonly message: string } | undefined = undefined;

  constructor(options: ServerStageSourceOptions) {
    const { logger, environment, filePath, refreshIntervalMs = 5_000, timeoutMs = 5_000 } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = logger;
    this.#maxSilenceMs = 3 * refreshIntervalMs + timeoutMs;
    this.#openedMs = this.#clock.monotonicMs();
    this.#server = new FlagLayer('server', environment);
    this.#kept = new FlagLayer('last-known-good', environment);
    this.#file =
      filePath === undefined
        ? undefined
        : new FlagFile({
            path: filePath,
            clock: this.#clock,
            logger,
            environment,
            onChange: () => {
              this.#changed();
            },
          });
    this.#loadKept();
    const layers = [
      this.#server,
      this.#kept,
      ...(this.#file === undefined ? [] : [this.#file.layer]),
    ];
    this.#flags = new LayeredFlags(layers, this.#clock, logger);
    this.#poller = new FlagPoller({
      url: options.url,
      token: options.token,
      appName: options.appName ?? 'changeover',
      project: options.project,
      refreshIntervalMs,
      timeoutMs,
      clock: this.#clock,
      random: options.random ?? Math.random,
      onOutcome: (outcome) => {
        this.#hear(outcome);
      },
    });
    this.#watch();
  }

  decide(context: StageContext): StageDecision {
    return this.#flags.decide(context);
  }

  subscribe(listener: () => void): () => void {
    return this.#flags.subscribe(listener);
  }

  status(): FlagStatus {
    const best = this.#flags.best();
    const fromFile = best?.origin === 'file' || best === undefined;
    return {
      source: best?.origin ?? 'default',
      revision: best?.revision ?? '',
      loadedAt:
        best === this.#server ? this.#loadedAt : fromFile ? this.#file?.loadedAt : this.#keptAt,
      stalenessMs:
        this.#heardMs === undefined ? undefined : this.#clock.monotonicMs() - this.#heardMs,
      stale:
        this.#silenceMs() > this.#maxSilenceMs || this.#refused !== '' || best !== this.#server,
      backends: best?.backends ?? [],
      lastError: this.#lastError ?? this.#file?.lastError,
    };
  }

  close(): Promise<void> {
    this.#watchdog?.cancel();
    this.#poller.close();
    this.#file?.close();
    this.#flags.close();
    return Promise.resolve();
  }

  #changed(): void {
    // The file is read before there is anyone to tell.
    (this.#flags as LayeredFlags | undefined)?.changed();
  }

  #hear(outcome: PollOutcome): void {
    if (outcome.kind === 'failed') {
      this.#lastError = { at: this.#clock.wallMs(), message: outcome.message };
      return;
    }
    this.#heardMs = this.#clock.monotonicMs();
    if (this.#refused === '') this.#lastError = undefined;
    if (this.#silent) {
      this.#silent = false;
      this.#logger.info({ url: this.#options.url }, 'the flag server answers again');
    }
    if (outcome.kind === 'data') this.#take(outcome.document);
  }

  #take(document: unknown): void {
    const text = JSON.stringify(document);
    const revision = revisionOf(text);
    if (revision === this.#server.revision && this.#refused === '') return;
    const flags = checkFlags(document, 'server');
    this.#tellProblems(flags, revision);
    if (flags.usable.size === 0) return;
    if (revision === this.#server.revision) return;
    const before = this.#server.revision;
    this.#server.load(flags, revision);
    this.#loadedAt = this.#clock.wallMs();
    this.#logger.info({ url: this.#options.url, revision, before }, 'flags from the server');
    if (flags.problems.length === 0) this.#keep(document, flags, revision);
    this.#changed();
  }

  /** Each answer that can't be used, in part or in whole, is told once. */
  #tellProblems({ problems, usable }: CheckedFlags, revision: string): void {
    const texts = problems.map(({ message }) => message);
    if (usable.size === 0)
      texts.push('there is no usable flag named "changeover" or "changeover.{backend}"');
    const message = texts.join('\n');
    if (message === '') {
      this.#refused = '';
      this.#lastError = undefined;
      return;
    }
    if (this.#refused === revision) return;
    this.#refused = revision;
    this.#lastError = { at: this.#clock.wallMs(), message };
    this.#logger.error(
      { url: this.#options.url, revision, problems: texts },
      `flags of the server can't be used, those known before stay in force: ${message}`,
    );
  }

  #keep(document: unknown, flags: CheckedFlags, revision: string): void {
    this.#kept.load(flags, revision);
    this.#keptAt = this.#clock.wallMs();
    const { lastKnownGoodPath, url } = this.#options;
    if (lastKnownGoodPath === undefined) return;
    try {
      keepFlags(lastKnownGoodPath, url, { savedAt: this.#keptAt, document });
    } catch (error) {
      this.#logger.error(
        { file: lastKnownGoodPath, err: error },
        'the last known good flags could not be written; a restart without the server begins from the flags file',
      );
    }
  }

  #loadKept(): void {
    const { lastKnownGoodPath, url } = this.#options;
    if (lastKnownGoodPath === undefined) return;
    try {
      const kept = readKeptFlags(lastKnownGoodPath, url);
      if (kept === undefined) return;
      const flags = checkFlags(kept.document, 'server');
      if (flags.usable.size === 0) throw new Error('it holds no flag that can be used');
      this.#kept.load(flags, revisionOf(JSON.stringify(kept.document)));
      this.#keptAt = kept.savedAt;
    } catch (error) {
      this.#logger.error(
        { file: lastKnownGoodPath, err: error },
        'the last known good flags could not be read; the flags file decides until the server answers',
      );
    }
  }

  #silenceMs(): number {
    return this.#clock.monotonicMs() - (this.#heardMs ?? this.#openedMs);
  }

  /** Tells once that the server is silent; it may be for hours, and answers stay what they were. */
  #watch(): void {
    this.#watchdog = this.#clock.after(this.#maxSilenceMs, () => {
      if (!this.#silent && this.#silenceMs() >= this.#maxSilenceMs) {
        this.#silent = true;
        const best = this.#flags.best()?.origin ?? 'default';
        this.#logger.error(
          { url: this.#options.url, silentMs: Math.round(this.#silenceMs()), source: best },
          `the flag server is silent (${this.#lastError?.message ?? 'no answer'}); flags stay as they are (${best})`,
        );
      }
      this.#watch();
    });
  }
}
