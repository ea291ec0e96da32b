const maxNames = 1_000;
const maxDefinitions = 8;

/**
 * Names of temporary objects, each with what it may be defined as (undefined: a table). They live on callers' connections, where the catalogue's doesn't see them, and hide what has the same
 * name. A name once seen stays: on which connection it is still there nobody can tell.
 */
export class TemporaryObjects<Definition> {
  readonly #definitions = new Map<string, (Definition | undefined)[]>();
  #overflowed = false;
  /** Called when a name or a further definition is seen: what was told before may be otherwise now. */
  onNew: (() => void) | undefined;

  add(name: string, definition: Definition | undefined): void {
    const known = this.#definitions.get(name) ?? [];
    const text = JSON.stringify(definition);
    if (known.some((each) => JSON.stringify(each) === text)) return;
    if (this.#definitions.size >= maxNames || known.length >= maxDefinitions)
      this.#overflowed = true;
    else this.#definitions.set(name, [...known, definition]);
    this.onNew?.();
  }

  /** All that this name may mean; empty: nothing temporary. `anything`: more were made than are remembered. */
  get(name: string): readonly (Definition | undefined)[] | 'anything' {
    return this.#overflowed ? 'anything' : (this.#definitions.get(name) ?? []);
  }
}
