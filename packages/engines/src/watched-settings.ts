/** Settings that the server reports and that must stay as they were set at connecting. */
const keptSettings: ReadonlySet<string> = new Set([
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'search_path',
  'client_encoding',
]);

/** What the server tells of the settings of one connection. */
export class WatchedSettings {
  readonly #first = new Map<string, string>();
  readonly #changed = new Map<string, string>();
  /** Whether single statements only read, as far as is known. */
  readOnlyDefault = false;

  /** Whether one that must stay is not what it was at first. */
  get changed(): boolean {
    return this.#changed.size > 0;
  }

  /** The server has told a setting's value. */
  note(name: string, value: string): void {
    if (name === 'default_transaction_read_only') this.readOnlyDefault = value === 'on';
    if (!keptSettings.has(name)) return;
    const first = this.#first.get(name);
    if (first === undefined) this.#first.set(name, value);
    else if (first === value) this.#changed.delete(name);
    else this.#changed.set(name, value);
  }

  /** A setting was changed on purpose: it is to stay as it is now. */
  accept(name: string): void {
    const now = this.#changed.get(name);
    if (now !== undefined) this.#first.set(name, now);
    this.#changed.delete(name);
  }

  /** All of them are to stay as they are now. */
  acceptAll(): void {
    for (const name of [...this.#changed.keys()]) this.accept(name);
  }
}
