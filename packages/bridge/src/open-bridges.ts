import type { Logger } from '@changeover/core';

/** A bridge as others of its name are told of it. */
export interface OpenBridge {
  readonly name: string;
  /** Names the store of its counts and its ledger: equal where two bridges share one. */
  readonly store: string;
  /** Where it was made: `src/notes.ts:12`. */
  readonly madeAt: string | undefined;
}

interface Namesakes {
  readonly open: OpenBridge[];
  isSaid: boolean;
}

/** One register a process, even where two copies of this package are loaded: a module that is loaded twice is what it finds. */
const registerKey = Symbol.for('changeover.open-bridges');

function register(): Map<string, Namesakes> {
  const holder = globalThis as { [registerKey]?: Map<string, Namesakes> };
  const known = holder[registerKey];
  if (known !== undefined) return known;
  const made = new Map<string, Namesakes>();
  holder[registerKey] = made;
  return made;
}

/**
 * Counts a bridge among those that are open, and logs once where another has its name and its store: both are moved by one flag, and
 * each is judged by what the other compared.
 *
 * A warning and no error: a development server that loads a changed module again makes the bridge a second time, and a program whose
 * module is loaded twice (by `import` and by `require`) has one singleton behind both. Neither is to be stopped.
 *
 * @returns frees the name. Idempotent.
 */
export function openBridge(bridge: OpenBridge, logger: Pick<Logger, 'warn'>): () => void {
  const { name, store, madeAt } = bridge;
  const bridges = register();
  const key = JSON.stringify([name, store]);
  const namesakes = bridges.get(key) ?? { open: [], isSaid: false };
  bridges.set(key, namesakes);
  const other = namesakes.open.at(-1);
  namesakes.open.push(bridge);
  if (other !== undefined && !namesakes.isSaid) {
    namesakes.isSaid = true;
    logger.warn(
      { event: 'name-taken', backend: name, madeAt, otherMadeAt: other.madeAt },
      `two open bridges are named "${name}" and share a store, one made at ${placeText(other)}, one at ${placeText(bridge)}: each is moved ` +
        'and judged by what the other compared. Give one of them another name; where it is one singleton that was bridged again (a ' +
        `module that was loaded again), keep the first: globalThis.bridged ??= createBridge({ name: '${name}', ... }). Or close it before: ` +
        'await bridgeOf(object).close()',
    );
  }
  return () => {
    const at = namesakes.open.indexOf(bridge);
    if (at !== -1) namesakes.open.splice(at, 1);
    if (namesakes.open.length === 0) bridges.delete(key);
  };
}

function placeText({ madeAt }: OpenBridge): string {
  return madeAt ?? 'a place that can not be told';
}
