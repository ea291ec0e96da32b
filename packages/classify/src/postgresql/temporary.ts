import type { Node } from './parser.ts';

/** What `CREATE TEMP …` statements made, as far as seen. `view` is its syntax tree; undefined for a table. */
type Definition = Node | undefined;

const maxNames = 1_000;
const maxDefinitions = 8;

/**
 * Names of temporary objects. They live on callers' connections, where the catalogue's doesn't see them, and hide what has the same
 * name. A name once seen stays: on which connection it is still there nobody can tell.
 */
export class TemporaryObjects {
  readonly #definitions = new Map<string, Definition[]>();
  #overflowed = false;
  /** Called when a name or a further definition is seen: what was told before may be otherwise now. */
  onNew: (() => void) | undefined;

  add(name: string, definition: Definition): void {
    const known = this.#definitions.get(name) ?? [];
    const text = JSON.stringify(definition);
    if (known.some((each) => JSON.stringify(each) === text)) return;
    if (this.#definitions.size >= maxNames || known.length >= maxDefinitions)
      this.#overflowed = true;
    else this.#definitions.set(name, [...known, definition]);
    this.onNew?.();
  }

  /** All that this name may mean; empty: nothing temporary. `anything`: more were made than are remembered. */
  get(name: string): readonly Definition[] | 'anything' {
    return this.#overflowed ? 'anything' : (this.#definitions.get(name) ?? []);
  }
}
