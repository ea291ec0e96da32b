import { BridgeServices } from './bridge-services.ts';
import type { ParsedSettings } from './bridge-settings.ts';

/** By name, what bridges share, as long as it is open. */
const shared = new Map<string, readonly BridgeServices[]>();

/** What is the same object or not the same. */
const objects = ['stages', 'logger', 'metrics'] as const;
/** Each bridge's own. */
const own: ReadonlySet<string> = new Set([...objects, 'rules']);

/**
 * The services of the bridges of one name and with the same settings in this process: a program that opens a handle for each file, or for each
 * request, has one store connection, one reader of the flags and one guardrail for all of them. They stay open where the last handle
 * is closed, for the next one; a bridge's `close()` ends them where no other bridge uses them.
 */
export function servicesOf(name: string, settings: ParsedSettings): BridgeServices {
  const known = openServicesOf(name, settings);
  if (known !== undefined) return known;
  const made = new BridgeServices(settings);
  shared.set(name, [...openOf(name), made]);
  return made;
}

/** Those that others have opened already and nobody has closed. */
export function openServicesOf(name: string, settings: ParsedSettings): BridgeServices | undefined {
  return openOf(name).find((services) => areSame(services.settings, settings));
}

function openOf(name: string): readonly BridgeServices[] {
  return (shared.get(name) ?? []).filter(({ closed }) => !closed);
}

function areSame(one: ParsedSettings, other: ParsedSettings): boolean {
  return objects.every((name) => one[name] === other[name]) && textOf(one) === textOf(other);
}

function textOf(settings: ParsedSettings): string {
  return JSON.stringify(Object.entries(settings).filter(([name]) => !own.has(name)));
}
