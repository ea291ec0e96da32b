import type { RepeatRequest, RepeatTable } from './repeat-table.ts';
import type { Reproduction } from './reproduced-call.ts';

/** Makes calls of a backend's mismatches again. */
export interface RepeatSource {
  /** Whether this process can: another one may have the call. */
  has(request: RepeatRequest): boolean;
  make(request: RepeatRequest): Promise<Reproduction>;
}

/** What a program answers: what came of the call, or why it was not made. */
export type RepeatAnswer =
  | { readonly kind: 'made'; readonly made: Reproduction }
  | { readonly kind: 'refused'; readonly message: string };

/** At once: each runs both legs. */
const maxRunning = 2;

/** Makes calls again that were asked for through the store, by the bridges of this process. */
export class RepeatAnswers {
  /** By backend: several bridges of one name may be open. */
  readonly #sources = new Map<string, Set<RepeatSource>>();
  /** Made, and not stored yet. */
  readonly #answers = new Map<number, string>();
  #running = 0;

  /** Calls of this backend's mismatches are made by `source` from now on, where it has them.
   *
   * @returns ends that. Idempotent. */
  add(backend: string, source: RepeatSource): () => void {
    const sources = this.#sources.get(backend) ?? new Set();
    this.#sources.set(backend, sources.add(source));
    return () => {
      sources.delete(source);
      if (sources.size === 0 && this.#sources.get(backend) === sources)
        this.#sources.delete(backend);
    };
  }

  /** Stores what was answered, and begins what is asked. To be called now and then.
   *
   * @throws the store's error. */
  look(table: RepeatTable, writer: string, nowMs: number): void {
    for (const [sequence, answer] of this.made()) {
      table.answer(sequence, answer);
      this.told(sequence);
    }
    if (this.none) return;
    for (const request of table.open(nowMs))
      if (this.canMake(request) && table.take(request.sequence, writer)) this.begin(request);
  }

  /** True where no bridge of this process makes calls again. */
  get none(): boolean {
    return this.#sources.size === 0;
  }

  /** Whether a bridge of this process has the call and not too many run already.
   *
   * @param toCome those that are about to begin. Default: none. */
  canMake(request: RepeatRequest, toCome = 0): boolean {
    return this.#running + toCome < maxRunning && this.#sourceOf(request) !== undefined;
  }

  #sourceOf(request: RepeatRequest): RepeatSource | undefined {
    for (const source of this.#sources.get(request.backend) ?? [])
      if (source.has(request)) return source;
    return undefined;
  }

  /** What was answered and not {@link told} yet, by the requests' sequences. */
  made(): readonly (readonly [sequence: number, answer: string])[] {
    return [...this.#answers];
  }

  /** The store has this answer. */
  told(sequence: number): void {
    this.#answers.delete(sequence);
  }

  /** Makes a call that is this process's to make. */
  begin(request: RepeatRequest): void {
    const source = this.#sourceOf(request);
    if (source === undefined) return;
    const settle = (answer: RepeatAnswer): void => {
      this.#running -= 1;
      this.#answers.set(request.sequence, JSON.stringify(answer));
    };
    this.#running += 1;
    source.make(request).then(
      (made) => {
        settle({ kind: 'made', made });
      },
      (error: unknown) => {
        settle({
          kind: 'refused',
          message: String((error as { message?: unknown } | null)?.message),
        });
      },
    );
  }
}
