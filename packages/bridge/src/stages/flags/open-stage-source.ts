import { dirname, join } from 'node:path';
import { InvalidOptionError } from '@changeover/core';
import { systemClock } from '@changeover/core';
import { type Logger } from '../../log.ts';
import { openFileStageSource } from './file-stage-source.ts';
import { openServerStageSource } from './server-stage-source.ts';
import { type StageSource } from './stage-source.ts';
import type { ParsedSettings } from '../../bridge-settings.ts';

/** The flags as the options name them: a server over a file, or the file alone. */
export function openStageSource(options: ParsedSettings, logger: Logger): StageSource {
  const { flagsFile, unleashUrl, unleashToken, storePath } = options;
  if (unleashUrl === undefined)
    return openFileStageSource({ path: flagsFile, logger, clock: systemClock });
  if (unleashToken === undefined) {
    throw new InvalidOptionError(
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
