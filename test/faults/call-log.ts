import type { Engine } from '@changeover/engines';

/** What a caller was told: `done`; `refused`, so that nothing of it may be there; `unknown`, so that it may be or not. */
export type Told = 'done' | 'refused' | 'unknown';

/** One call as its caller saw it. */
export interface LoggedCall {
  readonly engine: Engine;
  readonly dataset: string;
  readonly operation: string;
  /** What a write wrote; empty for a read. */
  readonly tokens: readonly string[];
  readonly startedMs: number;
  readonly deadlineMs: number;
  endedMs: number | undefined;
  told: Told | undefined;
  code: string | undefined;
}

/** Calls may be answered this much after their deadline, on a machine that has the time. */
export const graceMs = 250;
/** Tests run beside others on machines that are busy: there a call is late only when nobody would say it came in time. */
export const testGraceMs = 15_000;

/** What was told to whom. Everything that must hold is checked against this and against what is in the datasets. */
export class CallLog {
  readonly calls: LoggedCall[] = [];
  readonly problems: string[] = [];
  /** See {@link keptWaiting}, in all. */
  keptWaitingMs = 0;
  readonly #graceMs: number;
  /** Times at which the process could do nothing; calls that were under way then may be late by as much. */
  readonly #stalls: { readonly fromMs: number; readonly toMs: number }[] = [];

  constructor(grace: number) {
    this.#graceMs = grace;
  }

  begin(
    call: Pick<LoggedCall, 'engine' | 'dataset' | 'operation' | 'tokens' | 'deadlineMs'>,
  ): LoggedCall {
    const logged: LoggedCall = {
      ...call,
      startedMs: performance.now(),
      endedMs: undefined,
      told: undefined,
      code: undefined,
    };
    this.calls.push(logged);
    return logged;
  }

  /** A call was answered. */
  end(call: LoggedCall, error: unknown): void {
    call.endedMs = performance.now();
    call.code = error === undefined ? undefined : codeOf(error);
    call.told = error === undefined ? 'done' : toldBy(error);
    if (error !== undefined && call.code === undefined) {
      const said = error instanceof Error ? (error.stack ?? error.message) : typeof error;
      this.problem(
        `${call.operation} on ${call.engine} failed with an error that is not of the family: ${said}`,
      );
    }
  }

  stalled(fromMs: number, toMs: number): void {
    this.#stalls.push({ fromMs, toMs });
  }

  /** The machine had no core for the process for so long, until now. */
  keptWaiting(durationMs: number): void {
    if (durationMs < 1) return;
    this.keptWaitingMs += durationMs;
    const nowMs = performance.now();
    this.stalled(nowMs - durationMs, nowMs);
  }

  problem(text: string): void {
    this.problems.push(text);
  }

  /** Calls must be answered in time, and all of them. */
  checkDeadlines(): void {
    for (const call of this.calls) {
      if (call.endedMs === undefined) {
        this.problem(`${call.operation} on ${call.engine} was never answered`);
        continue;
      }
      const endedMs = call.endedMs;
      const stalledMs = this.#stalls.reduce(
        (sum, { fromMs, toMs }) =>
          sum + Math.max(0, Math.min(toMs, endedMs) - Math.max(fromMs, call.startedMs)),
        0,
      );
      const lateMs = endedMs - call.startedMs - call.deadlineMs - stalledMs;
      if (lateMs > this.#graceMs) {
        this.problem(
          `${call.operation} on ${call.engine} outlived its deadline of ${call.deadlineMs} ms by ` +
            `${Math.round(lateMs)} ms (${call.code ?? 'done'})`,
        );
      }
    }
  }

  /** What is in a dataset must be what callers were told. */
  checkWrites(
    engine: Engine,
    dataset: string,
    present: readonly { owner: unknown; token: unknown }[],
  ): void {
    const counts = new Map<string, number>();
    for (const { owner, token } of present) {
      if (owner !== dataset)
        this.problem(`dataset ${dataset} on ${engine} holds a row of ${String(owner)}`);
      counts.set(String(token), (counts.get(String(token)) ?? 0) + 1);
    }
    for (const call of this.calls) {
      if (call.engine !== engine || call.dataset !== dataset) continue;
      const found = call.tokens.map((token) => counts.get(token) ?? 0);
      const text = `${call.operation} on ${engine} (${call.told ?? 'unanswered'}, ${call.code ?? 'no error'})`;
      if (call.told === 'done' && found.some((count) => count !== 1))
        this.problem(`${text} is there ${found.join('+')} times`);
      if (call.told === 'refused' && found.some((count) => count !== 0))
        this.problem(`${text} is there all the same`);
      if (found.some((count) => count > 1)) this.problem(`${text} is there more than once`);
      if (new Set(found).size > 1) this.problem(`${text} is there in part`);
    }
  }
}

function codeOf(error: unknown): string | undefined {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  const name: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'engine') : undefined;
  return typeof code === 'string' && (name !== undefined || code === 'CLOSED') ? code : undefined;
}

/** An error says that nothing was applied, unless it says that nobody knows. */
export function toldBy(error: unknown): 'refused' | 'unknown' {
  const { code, retryable } = error as { code?: unknown; retryable?: unknown };
  if (code === 'COMMIT_UNKNOWN') return 'unknown';
  return code === 'ABORTED' && retryable !== true ? 'unknown' : 'refused';
}
