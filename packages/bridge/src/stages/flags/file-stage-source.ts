import { systemClock, type Clock } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { checkSourceOptions } from './check-source-options.ts';
import { FlagFile } from './flag-file.ts';
import { LayeredFlags } from './layered-flags.ts';
import type { FlagStatus, StageContext, StageDecision, StageSource } from './stage-source.ts';

/** Where the flags file is, and what the source needs. */
export interface FileStageSourceOptions {
  readonly path: string;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** The `environment` of the flags' context. Default: `default`. */
  readonly environment?: string | undefined;
  /** See `FlagFileOptions`. Default: 2,000. */
  readonly pollIntervalMs?: number | undefined;
}

/**
 * Stages from a flags file of the shape of Unleash's client API, evaluated by `unleash-client`, reloaded when it
 * changes. The file was read when this returns, so the first call can be routed in the same tick.
 *
 * Where the file can't be used, every answer is `legacy`, and the log says why.
 *
 * @throws {InvalidOptionError} where it is given no path or no logger: nothing could say so later.
 */
export function openFileStageSource(options: FileStageSourceOptions): StageSource {
  checkSourceOptions(
    'openFileStageSource',
    'path',
    "{ path: 'flags/changeover.json', logger }",
    options,
  );
  const { path, logger, clock = systemClock, environment, pollIntervalMs } = options;
  let flags: LayeredFlags | undefined = undefined;
  const file = new FlagFile({
    path,
    clock,
    logger,
    environment,
    pollIntervalMs,
    onChange: () => {
      flags?.changed();
    },
  });
  const layered = (flags = new LayeredFlags([file.layer], clock, logger));
  return {
    decide: (context: StageContext): StageDecision => layered.decide(context),
    subscribe: (listener: () => void) => layered.subscribe(listener),
    status: (): FlagStatus => ({
      source: file.layer.loaded ? 'file' : 'default',
      revision: file.layer.revision,
      loadedAt: file.loadedAt,
      stalenessMs: file.stalenessMs,
      stale: file.stale,
      backends: file.layer.backends,
      lastError: file.lastError,
    }),
    close(): Promise<void> {
      file.close();
      layered.close();
      return Promise.resolve();
    },
  };
}
