import { stageNamed, type Stage } from '@changeover/core';
import { silentLogger, type Logger } from '../../log.ts';
import { Listeners } from './listeners.ts';
import {
  defaultShadowSettings,
  type FlagStatus,
  type ShadowSettings,
  type StageContext,
  type StageDecision,
  type StageSource,
} from './stage-source.ts';

/** Stages by backend, or a function of the context. Backends not named are on `legacy`. */
export type StaticStages =
  Readonly<Partial<Record<string, Stage>>> | ((context: StageContext) => Stage);

/** A source whose stages the program itself sets. */
export interface StaticStageSource extends StageSource {
  /** Takes the place of stages and settings, and tells the subscribers. Settings not given stay as they are. */
  set(stages: StaticStages, settings?: Partial<ShadowSettings>): void;
}

/**
 * Stages set by the program: for tests and for people who bring no flags.
 *
 * @param stages where it names no stage, or throws, the answer is `legacy`.
 * @param settings what isn't given is the default.
 */
export function createStaticStageSource(
  stages: StaticStages,
  settings: Partial<ShadowSettings> = {},
  logger: Logger = silentLogger,
): StaticStageSource {
  const listeners = new Listeners(logger);
  let current = stages;
  let currentSettings: ShadowSettings = Object.freeze({ ...defaultShadowSettings, ...settings });
  let revision = 1;

  return {
    setByProgram: true,
    decide(context: StageContext): StageDecision {
      let found: Stage | undefined;
      try {
        found = typeof current === 'function' ? current(context) : current[context.backend];
      } catch (error) {
        logger.error(
          { ...context, err: error },
          'the stage function failed; the call goes to the legacy leg',
        );
      }
      return {
        stage: stageNamed(found) ?? 'legacy',
        settings: currentSettings,
        source: 'default',
        reason: found === undefined ? 'the program names no stage' : `set by the program: ${found}`,
        revision: String(revision),
      };
    },
    subscribe: (listener: () => void) => listeners.add(listener),
    status: (): FlagStatus => ({
      source: 'default',
      revision: String(revision),
      loadedAt: undefined,
      stalenessMs: 0,
      stale: false,
      backends: typeof current === 'function' ? [] : Object.keys(current).sort(),
      lastError: undefined,
    }),
    close(): Promise<void> {
      listeners.clear();
      return Promise.resolve();
    },
    set(next: StaticStages, nextSettings: Partial<ShadowSettings> = {}): void {
      current = next;
      currentSettings = Object.freeze({ ...currentSettings, ...nextSettings });
      revision += 1;
      listeners.notify();
    },
  };
}
