import type { RepeatableCall } from '../shadow/recent-calls.ts';
import { rawValue, valueOfRaw } from './sampled-call.ts';
import type { StoreDatabase } from './store-file.ts';

/** Calls that somebody outside wants to be made again by a program that has them, since version 9. */
export const repeatSchema: string = `
  create table repeat (
    sequence integer primary key autoincrement, backend text not null, id text not null, call text,
    asked_at integer not null, timeout_ms integer not null, writer text, answer text
  );
`;

/** A mismatch's call that is wanted again. */
export interface RepeatRequest {
  readonly sequence: number;
  readonly backend: string;
  /** Of the mismatch. */
  readonly id: string;
  /** The call as it was stored, where its values were kept. */
  readonly call: RepeatableCall | undefined;
  /** For both legs together. */
  readonly timeoutMs: number;
}

/** What has become of a request. */
export interface LookedAt {
  /** A program makes the call. */
  readonly taken: boolean;
  readonly answer: string | undefined;
}

/** Nobody waits any more for one that is older. */
export const waitedForMs = 10_000;
const keptMs = 24 * 3_600_000;

/** The requests in a store's file. Each function is one short try that throws the driver's error. */
export class RepeatTable {
  readonly #database: StoreDatabase;

  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** Those that no program has taken yet. */
  open(nowMs: number): readonly RepeatRequest[] {
    return this.#database
      .prepare(
        'select sequence, backend, id, call, timeout_ms from repeat where writer is null and asked_at between ? and ?',
      )
      .all(nowMs - waitedForMs, nowMs + waitedForMs)
      .map(({ sequence, backend, id, call, timeout_ms: timeoutMs }) => ({
        sequence: Number(sequence),
        backend: String(backend),
        id: String(id),
        call: typeof call === 'string' ? repeatedCallOf(call) : undefined,
        timeoutMs: Number(timeoutMs),
      }));
  }

  /** False where another program was faster. */
  take(sequence: number, writer: string): boolean {
    const { changes } = this.#database
      .prepare('update repeat set writer = ? where sequence = ? and writer is null')
      .run(writer, sequence);
    return Number(changes) === 1;
  }

  answer(sequence: number, answer: string): void {
    this.#database.prepare('update repeat set answer = ? where sequence = ?').run(answer, sequence);
  }

  ask({ backend, id, call, timeoutMs }: Omit<RepeatRequest, 'sequence'>, nowMs: number): number {
    this.#database.prepare('delete from repeat where asked_at < ?').run(nowMs - keptMs);
    const { lastInsertRowid } = this.#database
      .prepare(
        'insert into repeat (backend, id, call, asked_at, timeout_ms) values (?, ?, ?, ?, ?)',
      )
      .run(backend, id, call === undefined ? null : repeatText(call), nowMs, timeoutMs);
    return Number(lastInsertRowid);
  }

  /** What has become of one. */
  look(sequence: number): LookedAt {
    const row = this.#database
      .prepare('select writer, answer from repeat where sequence = ?')
      .get(sequence);
    return lookedAt(row);
  }

  /** Its values and its answer are for nobody but who asked. */
  forget(sequence: number): void {
    this.#database.prepare('delete from repeat where sequence = ?').run(sequence);
  }
}

/** What a request's row says; undefined: it is gone. */
export function lookedAt(
  row: { readonly writer?: unknown; readonly answer?: unknown } | undefined,
): LookedAt {
  const { writer, answer } = row ?? {};
  return {
    taken: typeof writer === 'string',
    answer: typeof answer === 'string' ? answer : undefined,
  };
}

/** A call as a store keeps it. */
export function repeatText(call: RepeatableCall): string {
  return JSON.stringify({ ...call, args: call.args.map(rawValue) });
}

/** What {@link repeatText} wrote. */
export function repeatedCallOf(text: string): RepeatableCall {
  const call = JSON.parse(text) as RepeatableCall;
  return { ...call, args: call.args.map(valueOfRaw) };
}
