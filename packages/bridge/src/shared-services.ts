import { BridgeServices } from './bridge-services.ts';
import type { ParsedSettings } from './bridge-settings.ts';

/** What is the same object or not the same. */
const objects = ['stages', 'logger', 'metrics'] as const;
/** What is not told by the text of settings: those, and each bridge's own. */
const untold: ReadonlySet<string> = new Set([...objects, 'rules']);

/** By name and by the text of the settings, what bridges share. */
const shared = new Map<string, readonly BridgeServices[]>();

/**
 * The services of the bridges of one name and with the same settings in this process: a program that opens a handle for each file, or for each
 * request, has one store connection, one reader of the flags and one guardrail for all of them. They stay open where the last handle
 * is closed, for the next one; a bridge's `close()` ends them where no other bridge uses them.
 */
export function servicesOf(name: string, settings: ParsedSettings): BridgeServices {
  const key = textOf(name, settings);
  const open = openAt(key);
  const known = open.find((services) => haveSameObjects(services.settings, settings));
  if (known !== undefined) return known;
  const made = new BridgeServices(settings, () => {
    const others = openAt(key).filter((services) => services !== made);
    if (others.length > 0) shared.set(key, others);
    else shared.delete(key);
  });
  shared.set(key, [...open, made]);
  return made;
}

/** Those that others have opened already and nobody has closed. */
export function openServicesOf(name: string, settings: ParsedSettings): BridgeServices | undefined {
  return openAt(textOf(name, settings)).find((services) =>
    haveSameObjects(services.settings, settings),
  );
}

function openAt(key: string): readonly BridgeServices[] {
  return (shared.get(key) ?? []).filter(({ closed }) => !closed);
}

function haveSameObjects(one: ParsedSettings, other: ParsedSettings): boolean {
  return objects.every((name) => one[name] === other[name]);
}

function textOf(name: string, settings: ParsedSettings): string {
  return JSON.stringify([
    name,
    Object.entries(settings).filter(([setting]) => !untold.has(setting)),
  ]);
}
