import type { Clock } from '@changeover/core';
import { TokenBucket } from '../shadow/budgets.ts';
import type { FleetWindows } from './fleet.ts';
import type { Message, OtherWindows, WindowFigures } from './fleet-message.ts';

/** What windows may take of the bytes that a process says, on average, in a second; what was not used is kept for a burst. */
const bytesPerSecond = 768;
const burstBytes = 16_384;
/** The store reads as many windows for an answer as there are processes. Each process may have so many read in a second, on average, so
 * that a thousand of them that all see something wrong don't have a million read: any one that knows is enough. */
const readPerSecond = 50;
const burstRead = 1_000;
const maxAskedAtOnce = 10;

/** How it is made. */
export interface SharedWindowsOptions {
  readonly clock: Clock;
  /** Figures that are older say nothing any more. */
  readonly windowMs: number;
}

type Key = readonly [backend: string, dataset: string];

/**
 * The guardrail windows of this process on their way to the others, and the others' as they were last heard. Those of a key are
 * asked for only where this process saw something wrong with it, so that a fleet in good order asks for none. Bounded in bytes, and in
 * what the store has to read: the rest has its turn with a later message.
 */
export class SharedWindows implements FleetWindows {
  readonly #windowMs: number;
  readonly #bytes: TokenBucket;
  readonly #reads: TokenBucket;
  readonly #waiting = new Map<string, readonly [...Key, WindowFigures]>();
  /** Keys with something wrong whose others are to be asked for. */
  readonly #suspects = new Map<string, Key>();
  readonly #others = new Map<string, readonly WindowFigures[]>();

  constructor({ clock, windowMs }: SharedWindowsOptions) {
    this.#windowMs = windowMs;
    this.#bytes = new TokenBucket(clock, { capacity: burstBytes, perSecond: bytesPerSecond });
    this.#reads = new TokenBucket(clock, { capacity: burstRead, perSecond: readPerSecond });
  }

  /** Takes what this process has of a key at present. */
  publish(backend: string, dataset: string, figures: WindowFigures): void {
    const key = `${backend}\0${dataset}`;
    this.#waiting.set(key, [backend, dataset, figures]);
    if (isSuspect(figures)) {
      if (!this.#suspects.has(key)) this.#suspects.set(key, [backend, dataset]);
      return;
    }
    this.#suspects.delete(key);
    this.#others.delete(key);
  }

  /** The others' windows of a key; none where nothing was wrong with it here. */
  others(backend: string, dataset: string): readonly WindowFigures[] {
    return this.#others.get(`${backend}\0${dataset}`) ?? [];
  }

  said(): Pick<Message, 'v' | 'a'> {
    const said = this.#takeSaid();
    const asked = this.#takeAsked();
    return {
      ...(said.length === 0 ? {} : { v: said }),
      ...(asked.length === 0 ? {} : { a: asked }),
    };
  }

  heard(windows: readonly OtherWindows[]): void {
    this.#bytes.spend(JSON.stringify(windows).length);
    for (const [backend, dataset, figures] of windows) {
      this.#reads.spend(figures.reduce((sum, { n = 1 }) => sum + n, 0));
      this.#others.set(`${backend}\0${dataset}`, figures);
    }
  }

  /** In the order in which they came, so that each has a turn. */
  #takeSaid(): (readonly [...Key, WindowFigures])[] {
    const said: (readonly [...Key, WindowFigures])[] = [];
    for (const [key, window] of this.#waiting) {
      if (this.#bytes.level <= 0) break;
      this.#bytes.spend(JSON.stringify(window).length);
      this.#waiting.delete(key);
      said.push(window);
    }
    return said;
  }

  #takeAsked(): (readonly [...Key, number])[] {
    const asked: (readonly [...Key, number])[] = [];
    for (const [key, [backend, dataset]] of this.#suspects) {
      if (asked.length >= maxAskedAtOnce || this.#reads.level <= 0 || this.#bytes.level <= 0) break;
      // Each costs one at the least, so that what nobody answers is bounded too.
      this.#reads.spend(1);
      this.#suspects.delete(key);
      asked.push([backend, dataset, this.#windowMs / 1_000]);
    }
    return asked;
  }
}

/** Failed calls, mismatches, or an operation that is slower than on the legacy leg. */
function isSuspect({ f, m, o }: WindowFigures): boolean {
  return (
    f > 0 ||
    m > 0 ||
    Object.values(o).some(
      ([count, medianMs, legacyCount, legacyMs]) =>
        count > 0 && (legacyCount === 0 || medianMs > 2 * (legacyMs / legacyCount)),
    )
  );
}
