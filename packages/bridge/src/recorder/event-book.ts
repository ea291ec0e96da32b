import { leftOut } from './sample-book.ts';
import type { EventRow } from './store-rows.ts';

/** Events that wait for the store; beyond it the oldest are dropped, and the report says so. */
const maxWaitingEvents = 5_000;
const maxEventLength = 8_192;

/** What happened, until it is stored. */
export class EventBook {
  #events: EventRow[] = [];
  #last = 0;
  #dropped = 0;

  /** Those that were dropped, for there was no room. */
  get dropped(): number {
    return this.#dropped;
  }

  add(kind: string, fields: Readonly<Record<string, unknown>>, at: number): void {
    this.#last += 1;
    this.#events.push({ sequence: this.#last, at, kind, fields: eventText(fields) });
    if (this.#events.length > maxWaitingEvents) {
      this.#events.shift();
      this.#dropped += 1;
    }
  }

  /** The oldest that the store doesn't have. */
  unstored(limit: number): readonly EventRow[] {
    return this.#events.slice(0, limit);
  }

  /** Forgets the oldest, which the store has now. */
  markStored(events: readonly EventRow[]): void {
    this.#events = this.#events.slice(events.length);
  }

  /** All that the store doesn't have. */
  rows(): readonly EventRow[] {
    return this.#events;
  }
}

function eventText(fields: Readonly<Record<string, unknown>>): string {
  try {
    const text = JSON.stringify(fields);
    if (text.length <= maxEventLength) return text;
    return leftOut(
      `${String(text.length)} characters of JSON are more than ${String(maxEventLength)}`,
    );
  } catch {
    return leftOut('it is not JSON-able');
  }
}
