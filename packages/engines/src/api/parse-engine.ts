import { type Engine, engines } from './engine.ts';
import { UnknownEngineError } from './storage-errors.ts';

/**
 * Checks a name that came from a caller.
 *
 * @throws {UnknownEngineError} for anything but the exact, lower-case name of a supported engine; the message lists them.
 */
export function parseEngine(name: unknown): Engine {
  const engine = engines.find((supported) => supported === name);
  if (engine === undefined) throw new UnknownEngineError(name);
  return engine;
}
