import { changeOfRow } from '../stages/ledger/ledger-row.ts';
import type {
  AppendedLines,
  LedgerChange,
  LedgerStore,
  NewLedgerChange,
} from '../stages/ledger/ledger-store.ts';
import { PostgresLedgerStore } from '../stages/ledger/shared-ledger-store.ts';
import type { FleetDatabase } from './fleet-database.ts';
import type { Answer, LedgerTuple, Message } from './fleet-message.ts';

/**
 * The shared ledger, heard of by the messages that a process sends anyway: reading it costs no statement of its own. Sequences
 * are given before they are committed, so what is new is told by transactions: all that were not over when the last answer
 * was made are asked for again, but for the lines that are known.
 */
export class FleetLedgerStore implements LedgerStore {
  readonly #direct: PostgresLedgerStore;
  readonly #listeners = new Set<() => void>();
  #first: PromiseWithResolvers<undefined> | undefined = undefined;
  #heard = false;
  #given = false;
  #news: LedgerChange[] = [];
  #from = '0';
  /** Of the lines heard, those whose transactions come again. */
  #known: { readonly tx: bigint; readonly sequence: number }[] = [];
  #any = false;
  #generation = 0;
  /** The number of each target's last line that was heard. */
  readonly #last = new Map<string, number>();

  constructor(database: FleetDatabase) {
    this.#direct = new PostgresLedgerStore(database, database.schema);
  }

  /** Grows where the store was put back to an earlier state, from which its lines have numbers again that were heard already. */
  get generation(): number {
    return this.#generation;
  }

  /** What was heard since it was last asked. Before the first answer it waits for that, and rejects as it does. */
  read(sequence: number): readonly LedgerChange[] | Promise<readonly LedgerChange[]> {
    if (!this.#heard) {
      this.#first ??= Promise.withResolvers<undefined>();
      return this.#first.promise.then(() => this.#take());
    }
    if (sequence === 0 && this.#given && this.#any) return this.#direct.read(0);
    return this.#take();
  }

  append(changes: readonly NewLedgerChange[]): Promise<AppendedLines> {
    return this.#direct.append(changes);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  close(): void {
    this.#listeners.clear();
  }

  /** What a message says of it. */
  asked(): Pick<Message, 'x' | 'n'> {
    return {
      x: this.#from,
      ...(this.#known.length === 0 ? {} : { n: this.#known.map(({ sequence }) => sequence) }),
    };
  }

  /** Takes what an answer says of it. */
  hear({ x, l }: Answer): void {
    if (x === undefined) return;
    // Its server counts transactions from an earlier one on: all is asked for anew.
    const isEarlier = BigInt(x) < BigInt(this.#from);
    const from = isEarlier ? '0' : x;
    const lines = l ?? [];
    this.#from = from;
    this.#known = isEarlier
      ? []
      : [...this.#known, ...lines.map(([tx, sequence]) => ({ tx: BigInt(tx), sequence }))].filter(
          ({ tx }) => tx >= BigInt(from),
        );
    const changes = lines.map(changeOfTuple);
    if (isEarlier || this.#anyAgain(changes)) this.#generation += 1;
    this.#news.push(...changes);
    this.#any ||= lines.length > 0;
    this.#heard = true;
    this.#first?.resolve(undefined);
    if (lines.length > 0) for (const listener of this.#listeners) listener();
  }

  /** Whether a target has a number again: a line follows the last one of its target, and has a higher number. */
  #anyAgain(lines: readonly LedgerChange[]): boolean {
    let again = false;
    for (const { backend, dataset, sequence } of lines) {
      const name = `${backend}\0${dataset}`;
      again ||= sequence <= (this.#last.get(name) ?? 0);
      this.#last.set(name, sequence);
    }
    return again;
  }

  /** The store could not be asked. */
  fail(error: unknown): void {
    if (this.#heard) return;
    this.#first?.reject(error);
    this.#first = undefined;
  }

  #take(): readonly LedgerChange[] {
    this.#given = true;
    const news = this.#news;
    this.#news = [];
    return news;
  }
}

function changeOfTuple(line: LedgerTuple): LedgerChange {
  const [, sequence, at, backend, dataset, from_stage, to_stage, held, who, reason, revision] =
    line;
  return changeOfRow({
    sequence,
    at,
    backend,
    dataset,
    from_stage,
    to_stage,
    held,
    who,
    reason,
    revision,
  });
}
