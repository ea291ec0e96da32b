import type { FleetWindows } from './fleet.ts';
import type { Message, OtherWindows, WindowFigures } from './fleet-message.ts';

/** Windows of so many keys are said in one message; the others' turn comes with the next. */
const maxSaidAtOnce = 10;

/**
 * The guardrail windows of this process on their way to the others, and the others' as they were last heard. Those of a key are
 * asked for only where this process saw something wrong with it, so that a fleet in good order asks for none.
 */
export class SharedWindows implements FleetWindows {
  readonly #windowMs: number;
  readonly #waiting = new Map<string, readonly [string, string, WindowFigures]>();
  readonly #others = new Map<string, readonly WindowFigures[]>();

  /** @param windowMs figures that are older say nothing any more. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Takes what this process has of a key at present. */
  publish(backend: string, dataset: string, figures: WindowFigures): void {
    const key = `${backend}\0${dataset}`;
    this.#waiting.set(key, [backend, dataset, figures]);
    if (!isSuspect(figures)) this.#others.delete(key);
  }

  /** The others' windows of a key; none where nothing was wrong with it here. */
  others(backend: string, dataset: string): readonly WindowFigures[] {
    return this.#others.get(`${backend}\0${dataset}`) ?? [];
  }

  said(): Pick<Message, 'v' | 'a'> {
    const said = [...this.#waiting].slice(0, maxSaidAtOnce);
    if (said.length === 0) return {};
    for (const [key] of said) this.#waiting.delete(key);
    const seconds = this.#windowMs / 1_000;
    const asked = said.filter(([, [, , figures]]) => isSuspect(figures));
    return {
      v: said.map(([, window]) => window),
      a: asked.map(([, [backend, dataset]]) => [backend, dataset, seconds]),
    };
  }

  heard(windows: readonly OtherWindows[]): void {
    for (const [backend, dataset, figures] of windows)
      this.#others.set(`${backend}\0${dataset}`, figures);
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
