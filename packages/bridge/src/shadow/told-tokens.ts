/** Keys of which something is remembered; beyond it the one told of longest ago is forgotten. */
const maxKeys = 1_000;

/** When a token was told, by the monotonic clock. */
export interface WhenTold {
  readonly atMs: number;
  /** What it holds as long as. Default: nothing that could be told. */
  readonly basis?: string | number | undefined;
}

interface Token extends WhenTold {
  readonly token: string;
  readonly changedMs: number;
}

/** The last token that was told of each key: of a bounded number of keys. */
export class ToldTokens {
  readonly #tokens = new Map<string, Token>();

  note(key: string, token: string, { atMs, basis }: WhenTold): void {
    const before = this.#tokens.get(key);
    const isOther = before !== undefined && before.token !== token;
    const changedMs = isOther ? atMs : (before?.changedMs ?? -Infinity);
    this.#tokens.delete(key);
    this.#tokens.set(key, { token, atMs, basis, changedMs });
    if (this.#tokens.size <= maxKeys) return;
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }

  /** The token of a key, if it was told before a moment. */
  before(key: string, ms: number): string | undefined {
    const told = this.#tokens.get(key);
    return told !== undefined && told.atMs < ms ? told.token : undefined;
  }

  /** The token of a key, if its basis is still the same and it was told no earlier than a moment. */
  on(key: string, basis: string | number, sinceMs = -Infinity): string | undefined {
    const told = this.#tokens.get(key);
    return told !== undefined && told.basis === basis && told.atMs >= sinceMs
      ? told.token
      : undefined;
  }

  /** Whether another token than the one before was told since a moment. */
  hasChangedSince(key: string, ms: number): boolean {
    return (this.#tokens.get(key)?.changedMs ?? -Infinity) > ms;
  }
}
