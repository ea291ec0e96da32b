/** What calls of one shape on one key cost, whatever the stage. */
export interface CallCost {
  /** What the legacy leg took for such calls lately, in ms: a mean that follows what becomes dearer at once. Undefined until one came
   * to its end. */
  legacyMs: number | undefined;
}

/** Shapes remembered; those that were asked for longest ago are forgotten. */
const maxRemembered = 5_000;
const cheaper = 0.3;

/** Remembers what calls took on the legacy leg, so that what is run beside a caller's call is known not to be dear before it is. */
export class CallCosts {
  readonly #byName = new Map<string, CallCost>();

  /** The cost of one shape's calls, for whoever makes them to note it in. */
  of(key: string, operation: string, shape: string): CallCost {
    const name = `${key}\0${operation}\0${shape}`;
    const known = this.#byName.get(name) ?? { legacyMs: undefined };
    this.#byName.delete(name);
    this.#byName.set(name, known);
    const [oldest] = this.#byName.keys();
    if (this.#byName.size > maxRemembered && oldest !== undefined) this.#byName.delete(oldest);
    return known;
  }
}

/** Notes that the legacy leg took so long for a call. */
export function noteLegacyCost(cost: CallCost, ms: number): void {
  const { legacyMs = ms } = cost;
  cost.legacyMs = ms > legacyMs ? ms : legacyMs + cheaper * (ms - legacyMs);
}
