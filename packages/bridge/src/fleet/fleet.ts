import { ChangeoverError, type Clock, systemClock, type Timer } from '@changeover/core';
import type { Logger } from '../log.ts';
import type { AskedKey } from '../recorder/asked-key.ts';
import { hourMs } from '../recorder/hour-book.ts';
import type { RepeatAnswers } from '../recorder/repeat-answers.ts';
import type { LedgerStore, NewLedgerChange } from '../stages/ledger/ledger-store.ts';
import { FleetDatabase } from './fleet-database.ts';
import { FleetLedgerStore } from './fleet-ledger-store.ts';
import { type Answer, foldedRowsOf, type Message, type OtherWindows } from './fleet-message.ts';
import { type FoldedRows, FleetOutbox } from './fleet-outbox.ts';
import { FleetRepeats } from './fleet-repeats.ts';
import { foldSilent } from './fold.ts';
import { OthersCounts } from './others-counts.ts';
import { sayInOtherProcess } from './last-words.ts';
import { retryPauseMs } from './retry-pause.ts';

/** What a fleet is made of. */
export interface FleetOptions {
  /** A `postgres://` URL. */
  readonly url: string;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** A plain name; made where there is none. Default: `changeover`. */
  readonly schema?: string | undefined;
  /** Between two messages to the store, in ms. Default: 1,000. */
  readonly intervalMs?: number | undefined;
  /** A process that said nothing for so long, in ms, is taken for ended, and its rows are folded. Default: 60,000, six times
   * as long as one that has nothing to say stays silent. */
  readonly silentMs?: number | undefined;
  /** Random numbers in [0, 1), to spread the tries of several processes. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Who counts in this process. */
export interface FleetMember {
  /** Puts what was counted since into the outbox. Must not throw. */
  collect(): void;
  /** The first hour, since 1970, in whose rows it may yet count. Default: this one. */
  firstHour?(): number;
  /** This process's rows were folded, because it could not be heard: from now on it counts as another one. Gives the rows that
   * the store has of it already. */
  beginAnew(folded: FoldedRows): void;
  /** Makes calls again that are asked for through the store. Default: nobody does. */
  readonly repeats?: RepeatAnswers | undefined;
}

/** The windows of this process's guardrails, and who hears of the others'. */
export interface FleetWindows {
  /** What has changed since it was last asked, and of which windows the others' are wanted. */
  said(): Pick<Message, 'v' | 'a'>;
  heard(windows: readonly OtherWindows[]): void;
}

/** In which a process that has nothing to say says that it is there. */
const heartbeatMs = 10_000;
/** Closing waits this long for the store. */
const closingMs = 2_000;

/**
 * This process's part in a store that several hosts share. About once a second it says in one statement what it counted and
 * hears what others decided; on no caller's path. While the store is away the process goes on by itself: what it has to say
 * waits, within bounds.
 */
export class Fleet {
  readonly outbox: FleetOutbox;
  readonly #database: FleetDatabase;
  readonly #ledger: FleetLedgerStore;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #silentMs: number;
  readonly #random: () => number;
  readonly #others: OthersCounts;
  #member: FleetMember | undefined = undefined;
  #windows: FleetWindows | undefined = undefined;
  #repeats: FleetRepeats | undefined = undefined;
  #refreshing: Promise<boolean> | undefined = undefined;
  #exchanging: Promise<void> | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #introduced = false;
  #messages = 0;
  /** The first hour whose rows may change when somebody last found none that are final. */
  #foldedFrom = -Infinity;
  #heartbeatAtMs = -Infinity;
  #failures = 0;
  #foldFailed = false;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: FleetOptions) {
    const { url, logger, schema, clock = systemClock } = options;
    this.#logger = logger;
    this.#clock = clock;
    this.#intervalMs = options.intervalMs ?? 1_000;
    this.#silentMs = options.silentMs ?? 6 * heartbeatMs;
    this.#random = options.random ?? Math.random;
    this.#database = new FleetDatabase(url, logger, schema);
    this.outbox = new FleetOutbox(clock, () => this.#others.tables);
    this.#others = new OthersCounts({
      database: this.#database,
      clock,
      own: () => ({
        writer: this.outbox.writer?.writer,
        // What was counted early in this one may be on its way.
        firstHour: Math.min(this.#openFrom(), Math.floor(clock.wallMs() / hourMs) - 1),
      }),
      spare: this.outbox,
      random: this.#random,
    });
    this.#ledger = new FleetLedgerStore(this.#database);
    this.#timer = clock.after(0, () => {
      this.#next();
    });
  }

  /** The ledger in the shared store, as this process hears of it. Closing it closes nothing. */
  get ledger(): LedgerStore {
    return this.#ledger;
  }

  /** Whose counts are said. */
  attach(member: FleetMember): void {
    this.#member = member;
    if (member.repeats !== undefined) this.#repeats = new FleetRepeats(member.repeats, this.#clock);
  }

  /** Whose guardrail windows are said. */
  shareWindows(windows: FleetWindows): void {
    this.#windows = windows;
  }

  /** Reads the next part of what all others counted, unless too much was read lately. True where it did; never rejects. */
  async refresh(): Promise<boolean> {
    if (this.#closing !== undefined) return false;
    this.#refreshing ??= this.#read(() => this.#others.readInTurn(), false).finally(() => {
      this.#refreshing = undefined;
    });
    return await this.#refreshing;
  }

  /** Reads what others counted of keys whose step waits, as many as it may: those. Never rejects. */
  async refreshKeys<Key extends AskedKey>(waiting: readonly Key[]): Promise<readonly Key[]> {
    if (this.#closing !== undefined) return [];
    return await this.#read(() => this.#others.readWaiting(waiting), []);
  }

  /** Says what waits, for a process that ends, within two seconds; undefined where nothing waits. Never rejects. */
  flush(): Promise<void> | undefined {
    if (this.#closing !== undefined || !this.#hasUnsaid()) return undefined;
    return this.#within(closingMs, this.#sayTheLast());
  }

  /** The same where nothing can be waited for any more: another process says it, and this one stands still meanwhile. */
  flushAtOnce(lines: readonly NewLedgerChange[]): void {
    if (this.#closing !== undefined) return;
    const unsaid = this.#hasUnsaid();
    if (!unsaid && lines.length === 0) return;
    const { url, schema } = this.#database;
    const part = this.outbox.take(true);
    const message = unsaid ? JSON.stringify(this.#message(part.fields, true)) : undefined;
    if (sayInOtherProcess({ url, schema, message, lines })) part.stored();
    else this.#tellLoss();
  }

  #hasUnsaid(): boolean {
    this.#member?.collect();
    return !this.outbox.empty;
  }

  /** Says the last, and ends the connections; within two seconds. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#timer?.cancel();
    await this.#within(closingMs, this.#sayTheLast());
    if (!this.outbox.empty) this.#tellLoss();
    this.#database.close().catch((error: unknown) => {
      this.#logger.debug({ err: error }, 'the connections to the shared store could not be ended');
    });
  }

  #tellLoss(): void {
    this.#logger.error(
      {},
      'the last counts and samples could not be stored and are lost with this process',
    );
  }

  async #within(maxMs: number, work: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.after(maxMs, resolve);
    });
    await Promise.race([work, late]);
    timer?.cancel();
  }

  async #sayTheLast(): Promise<void> {
    await this.#exchanging;
    await this.#exchange(true);
    // Its rows were folded meanwhile, and it had to begin anew.
    if (this.#failures === 0 && !this.outbox.empty) await this.#exchange(true);
  }

  async #read<Found>(read: () => Promise<Found>, nothing: Found): Promise<Found> {
    try {
      return await read();
    } catch (error) {
      this.#logger.debug({ err: error }, 'what other processes counted can not be read');
      return nothing;
    }
  }

  #next(): void {
    const startedMs = this.#clock.monotonicMs();
    this.#exchanging = this.#exchange(false).then(() => {
      this.#exchanging = undefined;
      if (this.#closing !== undefined) return;
      const tookMs = this.#clock.monotonicMs() - startedMs;
      const pauseMs =
        this.#failures === 0
          ? Math.max(0, this.#intervalMs - tookMs)
          : retryPauseMs(this.#failures, this.#intervalMs, this.#random);
      this.#timer = this.#clock.after(pauseMs, () => {
        this.#next();
      });
    });
  }

  /** Never rejects. */
  async #exchange(last: boolean): Promise<void> {
    try {
      this.#member?.collect();
      const part = this.outbox.take(last);
      const message = this.#message(part.fields, last);
      const answer = (await this.#database.exchange(JSON.stringify(message))) as Answer;
      if (answer.f !== undefined) {
        this.#beginAnew(answer.f);
      } else {
        part.stored();
        if (message.t !== undefined) this.#introduced = true;
        // A process that always has something to say must look for silent ones too.
        if (message.d !== undefined) this.#heartbeatAtMs = this.#clock.monotonicMs();
        if (answer.v !== undefined) this.#windows?.heard(answer.v);
        this.#repeats?.heard(answer, message.b);
        this.#ledger.hear(answer);
      }
      this.#recovered();
      if (last) return;
      if (answer.d === true) await this.#fold();
      if (message.d !== undefined) await this.#foldHours(message.p ?? -Infinity);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Before it no row of this process changes any more. */
  #openFrom(): number {
    const now = Math.floor(this.#clock.wallMs() / hourMs);
    return Math.min(now, this.#member?.firstHour?.() ?? now, this.outbox.firstHour);
  }

  /** Adds up rows that are final, some with each heartbeat, after some more of this process's became it. Never rejects. */
  async #foldHours(openFrom: number): Promise<void> {
    if (openFrom <= this.#foldedFrom) return;
    try {
      if ((await this.#database.foldCells()) === 0) this.#foldedFrom = openFrom;
    } catch (error) {
      this.#logger.debug({ err: error }, 'rows of hours that are over can not be added up');
    }
  }

  /** Adds up the rows of processes that ended. Never rejects: what this process said is in the store, whatever becomes of theirs. */
  async #fold(): Promise<void> {
    try {
      await foldSilent(this.#database, this.#silentMs);
      this.#foldFailed = false;
    } catch (error) {
      if (this.#foldFailed) return;
      this.#foldFailed = true;
      this.#logger.warn(
        { err: error },
        'the rows of processes that ended can not be added up in the shared store: they stay as they are, and are read one by one. It takes a ' +
          'transaction, which a pooler refuses that gives each statement another connection (PgBouncer: pool_mode = transaction has it)',
      );
    }
  }

  #message(fields: Readonly<Record<string, readonly unknown[]>>, last: boolean): Message {
    const { writer } = this.outbox;
    const windows = last ? {} : (this.#windows?.said() ?? {});
    if (windows.v !== undefined) this.outbox.spend(JSON.stringify(windows.v).length);
    const repeats = this.#repeats?.said(last) ?? {};
    if (repeats.b?.z !== undefined) this.outbox.spend(JSON.stringify(repeats.b.z).length);
    const due = this.#clock.monotonicMs() - this.#heartbeatAtMs >= heartbeatMs;
    const isHeard = last || due || !this.#introduced || Object.keys(fields).length > 0;
    return {
      ...(writer === undefined ? {} : { w: writer.writer }),
      ...(writer === undefined || !isHeard
        ? {}
        : {
            t: writer.lastAt,
            o: writer.samplesOverLimit,
            p: this.#openFrom(),
            j: (this.#messages += 1),
          }),
      ...(writer === undefined || this.#introduced
        ? {}
        : { i: [writer.run, writer.host, writer.pid, writer.node, writer.startedAt] }),
      ...(due ? { d: this.#silentMs / 1_000 } : {}),
      ...(last ? { q: 1 } : {}),
      ...fields,
      ...windows,
      ...repeats,
      ...this.#ledger.asked(),
    };
  }

  #beginAnew(folded: NonNullable<Answer['f']>): void {
    const rows = foldedRowsOf(folded);
    this.#introduced = false;
    this.outbox.beginAnew(rows);
    this.#member?.beginAnew(rows);
    this.#logger.info(
      {},
      'this process could not be heard for long: it counts as a new one from now on',
    );
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    this.#ledger.fail(error);
    if (this.#failures > 1) return;
    // What it lacks is said in words of this library's own, with what to do.
    const why = error instanceof ChangeoverError ? `used. ${error.message} Meanwhile` : 'reached:';
    this.#logger.error(
      { err: error },
      `the shared store can not be ${why} calls, flags and guardrails go on in this process, what it counts waits in memory, ` +
        'and nothing steps forward until the store is back',
    );
  }

  #recovered(): void {
    if (this.#failures > 0) this.#logger.info({}, 'the shared store can be reached again');
    this.#failures = 0;
  }
}
