import type { Clock, Timer } from '@changeover/core';
import type { PostgresSession } from '@changeover/engines';

/** A connection with the age that it keeps on its way. */
export interface OpenedSession {
  readonly session: PostgresSession;
  /** On the monotonic clock. */
  readonly openedAtMs: number;
}

/** How long a connection waits for the dataset that it was given up for. */
const shelfMs = 250;

/**
 * Connections on their way from one dataset's pool to another's. With more busy datasets than the budget has connections,
 * each would otherwise be closed and opened anew for nearly every call: 100 datasets on a budget of 75 made 28 calls a
 * second that way.
 */
export class Handover {
  readonly #clock: Clock;
  readonly #shelf: (OpenedSession & { readonly timer: Timer })[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps a connection for whoever opens one next; it is closed if nobody does. */
  put(opened: OpenedSession): void {
    const timer = this.#clock.after(shelfMs, () => {
      const at = this.#shelf.findIndex(({ session }) => session === opened.session);
      if (at >= 0) this.#shelf.splice(at, 1);
      void opened.session.close();
    });
    this.#shelf.push({ ...opened, timer });
  }

  take(): OpenedSession | undefined {
    for (;;) {
      const found = this.#shelf.pop();
      found?.timer.cancel();
      if (found === undefined || found.session.usable) return found;
      void found.session.close();
    }
  }

  /** Closes what waits. */
  async close(): Promise<void> {
    await Promise.all(
      this.#shelf.splice(0).map(({ session, timer }) => {
        timer.cancel();
        return session.close();
      }),
    );
  }
}
