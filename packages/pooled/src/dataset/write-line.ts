import type { PooledSession } from '../pooled-session.ts';

/** One caller's writes on one dataset that are under way. They take effect in the order in which they entered. */
export class WriteLine {
  readonly dataset: string;
  readonly #places: PlaceInLine[] = [];

  constructor(dataset: string) {
    this.dataset = dataset;
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#places.length === 0;
  }

  /** Takes a place behind all others. To be called in the tick in which the write is made. */
  enter(): PlaceInLine {
    const place = new PlaceInLine(this.#places);
    this.#places.push(place);
    return place;
  }
}

/**
 * A write's place in its line, until it is answered. It is sent behind those before it without waiting for their answers, on the
 * connection that they were sent on, which runs them in turn. Where one fails that may be tried again, the connection runs none of
 * those that were sent behind it (see `FencedError`), and each takes its turn once more.
 */
export class PlaceInLine {
  readonly #places: PlaceInLine[];
  #stands: 'waits' | 'asks for a connection' | 'was sent' = 'waits';
  #session: PooledSession | undefined;
  /** What the connection said of its fences when it was sent. */
  #fences: number | undefined;
  #wake: (() => void) | undefined;

  /** By {@link WriteLine.enter}. @internal */
  constructor(places: PlaceInLine[]) {
    this.#places = places;
  }

  /** Undefined where it may ask for a connection, because those before it did. Otherwise resolves when that may have changed. */
  turn(): Promise<void> | undefined {
    if (!this.#before((each) => each.#stands === 'waits')) {
      this.#stands = 'asks for a connection';
      return undefined;
    }
    return this.change();
  }

  /** Resolves when something became of those before it. */
  change(): Promise<void> {
    this.#stands = 'waits';
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Whether it may be sent on a connection: those before it were sent on that one, and none of them comes back. */
  maySend(session: PooledSession): boolean {
    const { fences } = session;
    return !this.#before((each) => each.#session !== session || each.#fences !== fences);
  }

  /** It was sent, in the tick in which that was found to be allowed. */
  sent(session: PooledSession): void {
    this.#stands = 'was sent';
    this.#session = session;
    this.#fences = session.fences;
    this.#wakeFirst();
  }

  /** It came back, and may be sent again. To be called before anything else can be sent on the connection. */
  failed(): void {
    this.#stands = 'waits';
    this.#session = undefined;
  }

  /** It was answered for good. Idempotent. */
  leave(): void {
    const at = this.#places.indexOf(this);
    if (at < 0) return;
    this.#places.splice(at, 1);
    this.#wakeFirst();
  }

  #before(is: (place: PlaceInLine) => boolean): boolean {
    for (const place of this.#places) {
      if (place === this) return false;
      if (is(place)) return true;
    }
    return false;
  }

  #wakeFirst(): void {
    for (const place of this.#places) {
      if (place.#stands === 'was sent') continue;
      const wake = place.#wake;
      place.#wake = undefined;
      wake?.();
      return;
    }
  }
}
