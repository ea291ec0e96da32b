import { dirname, join } from 'node:path';
import { InvalidArgumentError, systemClock } from '@changeover/core';
import {
  type Logger,
  openFileStageSource,
  openServerStageSource,
  type StageSource,
} from '@changeover/router';
import type { ParsedBridgeOptions } from './bridge-options.ts';

/** The flags as the options name them: a server over a file, or the file alone. */
export function openStageSource(options: ParsedBridgeOptions, logger: Logger): StageSource {
  const { flagsFile, unleashUrl, unleashToken, storePath } = options;
  if (unleashUrl === undefined)
    return openFileStageSource({ path: flagsFile, logger, clock: systemClock });
  if (unleashToken === undefined) {
    throw new InvalidArgumentError(
      'An Unleash server is named, but no token: set unleashToken (or UNLEASH_TOKEN).',
    );
  }
  return openServerStageSource({
    url: unleashUrl,
    token: unleashToken,
    logger,
    filePath: flagsFile,
    ...(storePath === ':memory:'
      ? {}
      : { lastKnownGoodPath: join(dirname(storePath), 'last-known-good-flags.json') }),
  });
}
