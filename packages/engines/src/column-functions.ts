/** Columns beyond which the engine keeps an object as a table of names, however it is made. */
const mostColumns = 100;
/** Functions kept; the next one begins anew. */
const mostFunctions = 200;

/** Functions that are made of text for the columns of a result, each kept for the next result of its kind. */
export class ColumnFunctions<Made> {
  readonly #made = new Map<string, Made>();

  /**
   * @param kind - what the function depends on: results of one kind share it.
   * @param columns - how many there are.
   * @returns undefined for very wide rows, or where the program is run without making code of text.
   */
  get(kind: string, columns: number, make: () => Made): Made | undefined {
    if (columns > mostColumns) return undefined;
    const known = this.#made.get(kind);
    if (known !== undefined) return known;
    let made: Made;
    try {
      made = make();
    } catch {
      return undefined;
    }
    if (this.#made.size >= mostFunctions) this.#made.clear();
    this.#made.set(kind, made);
    return made;
  }
}

/** In brackets it is a property like any other; without, it would be what the object inherits from. */
export function propertyName(column: string): string {
  return column === '__proto__' ? `["__proto__"]` : JSON.stringify(column);
}
