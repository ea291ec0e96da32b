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
  readonly #sources = new Map<string, RepeatSource>();
  /** Made, and not stored yet. */
  readonly #answers = new Map<number, string>();
  #running = 0;

  /** Calls of this backend's mismatches are made by `source` from now on. */
  add(backend: string, source: RepeatSource): void {
    this.#sources.set(backend, source);
  }

  /** Stores what was answered, and begins what is asked. To be called now and then.
   *
   * @throws the store's error. */
  look(table: RepeatTable, writer: string, nowMs: number): void {
    for (const [sequence, answer] of this.#answers) {
      table.answer(sequence, answer);
      this.#answers.delete(sequence);
    }
    if (this.#sources.size === 0) return;
    for (const request of table.open(nowMs)) {
      if (this.#running >= maxRunning) return;
      const source = this.#sources.get(request.backend);
      if (source?.has(request) === true && table.take(request.sequence, writer))
        this.#begin(request, source);
    }
  }

  #begin(request: RepeatRequest, source: RepeatSource): void {
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
