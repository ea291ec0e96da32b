import type { Clock } from '@changeover/core';
import type { RepeatAnswer, RepeatAnswers } from '../recorder/repeat-answers.ts';
import { type RepeatRequest, repeatedCallOf, waitedForMs } from '../recorder/repeat-table.ts';
import type { Answer, Message } from './fleet-message.ts';

/** What nobody answered and its maker did not take away. */
const keptText = '1 hour';
const maxAnswerLength = 65_536;

/** Calls that somebody outside wants to be made again by a program that has them, since version 5. */
export function repeatTable(schema: string): string {
  return `
create table if not exists ${schema}.repeat (
  sequence bigint generated always as identity primary key, backend text not null, id text not null, call text,
  asked timestamptz not null default clock_timestamp(), timeout_ms int not null, writer text, answer text
);`;
}

/** Tells of requests that are open, but those the process has heard of (`s`); takes them for it (`k`), and its answers (`z`). */
export const exchangeRepeats: string = `
  if p ? 'b' then
    if p->'b' ? 'z' then
      update repeat set answer = r->>1 from jsonb_array_elements(p->'b'->'z') r where sequence = (r->>0)::bigint;
    end if;
    if p->'b' ? 'k' then
      update repeat set writer = w where writer is null
        and sequence in (select k::bigint from jsonb_array_elements_text(p->'b'->'k') k);
      answer := answer || jsonb_build_object('k', (select coalesce(jsonb_agg(sequence), '[]') from repeat
        where writer = w and sequence in (select k::bigint from jsonb_array_elements_text(p->'b'->'k') k)));
    end if;
    answer := answer || coalesce((select jsonb_build_object('b', jsonb_agg(
        jsonb_build_array(sequence, backend, id, call, timeout_ms)))
      from repeat where writer is null and asked > clock_timestamp() - interval '${String(waitedForMs)} ms'
        and not coalesce(p->'b'->'s', '[]') @> to_jsonb(sequence) having count(*) > 0), '{}');
  end if;`;

/** Lets go what nobody took away. */
export function expiredRepeats(schema: string): string {
  return `delete from ${schema}.repeat where asked < clock_timestamp() - interval '${keptText}'`;
}

/** Requests for calls to be made again, heard of and answered by the messages that a process sends anyway. */
export class FleetRepeats {
  readonly #answers: RepeatAnswers;
  readonly #clock: Clock;
  /** Those it has heard of, and until when by the monotonic clock the store would tell of them again. */
  readonly #heard = new Map<number, number>();
  /** To be taken with the next message. */
  readonly #wanted = new Map<number, RepeatRequest>();

  constructor(answers: RepeatAnswers, clock: Clock) {
    this.#answers = answers;
    this.#clock = clock;
  }

  /** What a message says of them; nothing in a process that can't make any.
   *
   * @param last true for the process's last message, by which it takes none any more. */
  said(last: boolean): Pick<Message, 'b'> {
    if (this.#answers.none) return {};
    if (last) this.#wanted.clear();
    const nowMs = this.#clock.monotonicMs();
    for (const [sequence, untilMs] of this.#heard)
      if (untilMs < nowMs) this.#heard.delete(sequence);
    const [heard, wanted] = [[...this.#heard.keys()], [...this.#wanted.keys()]];
    const answers = this.#answers
      .made()
      .map(([sequence, text]) => [sequence, bounded(text)] as const);
    return {
      b: {
        ...(heard.length === 0 ? {} : { s: heard }),
        ...(wanted.length === 0 ? {} : { k: wanted }),
        ...(answers.length === 0 ? {} : { z: answers }),
      },
    };
  }

  /** Takes what an answer says of them, to a message that said so much. */
  heard({ b: requests = [], k: taken = [] }: Answer, said: Message['b']): void {
    for (const [sequence] of said?.z ?? []) this.#answers.told(sequence);
    for (const sequence of said?.k ?? []) {
      const request = this.#wanted.get(sequence);
      this.#wanted.delete(sequence);
      if (request !== undefined && taken.includes(sequence)) this.#answers.begin(request);
    }
    const untilMs = this.#clock.monotonicMs() + 2 * waitedForMs;
    for (const [sequence, backend, id, call, timeoutMs] of requests) {
      this.#heard.set(sequence, untilMs);
      const kept = call === null ? undefined : repeatedCallOf(call);
      const request = { sequence, backend, id, call: kept, timeoutMs };
      if (this.#answers.canMake(request, this.#wanted.size)) this.#wanted.set(sequence, request);
    }
  }
}

/** An answer that the store need not keep whole says so. */
function bounded(text: string): string {
  if (text.length <= maxAnswerLength) return text;
  const message =
    `What came of it is ${String(text.length)} characters of JSON, more than the ${String(maxAnswerLength)} that a shared store takes: ` +
    'call bridgeOf(object).reproduce in the program.';
  return JSON.stringify({ kind: 'refused', message } satisfies RepeatAnswer);
}
