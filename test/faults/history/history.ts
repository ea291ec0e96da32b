/** What an object holds: a register or a counter a number, a set its members. */
export type ObjectState = number | readonly string[];

/** One thing that a call did to an object of its key, with what it was told. */
export type Step =
  | { readonly kind: 'read'; readonly object: string; readonly told: number }
  | { readonly kind: 'write'; readonly object: string; readonly value: number }
  | { readonly kind: 'add'; readonly object: string; readonly amount: number }
  | { readonly kind: 'insert'; readonly object: string; readonly member: string }
  | { readonly kind: 'members'; readonly object: string; readonly told: readonly string[] };

/** One call as its caller saw it. Its steps take effect at once: a transaction is one call. */
export interface HistoryCall {
  readonly caller: string;
  readonly operation: string;
  readonly steps: readonly Step[];
  /** By a clock that every call and every answer moves on by one. */
  readonly invoked: number;
  /** When the caller was told. Nobody knows when an `unknown` one takes effect, if ever. */
  readonly returned: number;
  readonly outcome: 'done' | 'unknown';
  /** It was made by who knew of every other call's end, so that it comes after all of them. */
  readonly last?: boolean | undefined;
}

/** Whether nothing of it changes what is there. */
export function isReadOnly({ steps }: HistoryCall): boolean {
  return steps.every(({ kind }) => kind === 'read' || kind === 'members');
}

/** A call in one line, for people. */
export function describe({
  caller,
  operation,
  steps,
  invoked,
  returned,
  outcome,
}: HistoryCall): string {
  const did = steps.map((step) => {
    switch (step.kind) {
      case 'read':
        return `${step.object} was ${String(step.told)}`;
      case 'write':
        return `${step.object} := ${String(step.value)}`;
      case 'add':
        return `${step.object} += ${String(step.amount)}`;
      case 'insert':
        return `${step.object} gets ${step.member}`;
      case 'members':
        return `${step.object} had ${String(step.told.length)} [${step.told.slice(-3).join(' ')}]`;
    }
  });
  const when =
    outcome === 'done' ? `${String(invoked)}-${String(returned)}` : `${String(invoked)}-?`;
  return `${caller} ${operation} (${did.join(', ')}) at ${when}`;
}

/** Notes the calls on one key as they are made and answered. */
export class HistoryRecorder {
  readonly calls: HistoryCall[] = [];
  #clock = 0;

  /**
   * Makes a call and notes it. Never rejects.
   *
   * @param work adds a step when it knows what it was told, or before it asks for a write.
   * @param toldBy what an error tells: `refused` means that nothing was applied. What a refused call has read before it wrote
   * was an answer all the same, and is kept.
   */
  async call(
    caller: string,
    operation: string,
    work: (steps: Step[]) => Promise<unknown>,
    toldBy: (error: unknown) => 'refused' | 'unknown',
    last = false,
  ): Promise<unknown> {
    const invoked = (this.#clock += 1);
    const steps: Step[] = [];
    let failure: unknown;
    try {
      await work(steps);
    } catch (error) {
      failure = error ?? new Error('nothing was thrown');
    }
    const returned = (this.#clock += 1);
    const isRefused = failure !== undefined && toldBy(failure) === 'refused';
    const writesAt = steps.findIndex(({ kind }) => kind !== 'read' && kind !== 'members');
    const kept = isRefused && writesAt >= 0 ? steps.slice(0, writesAt) : steps;
    const onlyRead = kept.length === (writesAt < 0 ? steps.length : writesAt);
    // A read that failed after it was told something was told it all the same.
    const outcome = failure === undefined || onlyRead ? 'done' : 'unknown';
    if (kept.length > 0)
      this.calls.push({ caller, operation, steps: kept, invoked, returned, outcome, last });
    return failure;
  }
}
