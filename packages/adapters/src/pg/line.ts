import type { ClientBase } from 'pg';
import type { EventEmitter } from 'node:events';
import type { Setting, Settings } from './settings.ts';
import type { Statement } from './statement.ts';
import { endOf } from './submittable.ts';

/** Idle, in a transaction, or in one that has failed: as the server says after each statement. */
export type Status = 'I' | 'T' | 'E';

/** What a driver's client is used for. */
interface Querying {
  query(config: unknown, values?: unknown): unknown;
}

/**
 * One connection, which runs what it is given in turn. Whether a transaction is open on it is what the server says, never what the
 * statements' texts say.
 */
export class Line {
  readonly client: ClientBase;
  readonly #settings: Settings;
  readonly #send: Querying['query'];
  /** Called when a statement ended, or the server told the connection's state. */
  readonly #changed: () => void;
  /** Ends what the connection is listened to for. */
  readonly detach: () => void;
  readonly #plainEnded = (): void => {
    this.#ended(false);
  };
  status: Status = 'I';
  /** The connection was lost or given back. */
  isOver = false;
  /** Statements that were sent and have not ended. */
  inFlight = 0;
  /** Those of them that may begin or end a transaction. */
  unclear = 0;
  /** The version of the settings that it stands on. */
  #applied = 0;
  /** Settings made in the open transaction: they are none if it is rolled back. */
  #tentative: Setting[] = [];

  /** @param send the client's own `query`, whatever stands in its place by now. */
  constructor(
    client: ClientBase,
    settings: Settings,
    changed: () => void,
    send: Querying['query'] = (client as unknown as Querying).query,
  ) {
    this.client = client;
    this.#settings = settings;
    this.#changed = changed;
    this.#send = send;
    const { connection } = client as { readonly connection?: EventEmitter };
    const told = ({ status }: { readonly status?: Status } = {}): void => {
      if (status === undefined) return;
      this.status = status;
      changed();
    };
    connection?.on('readyForQuery', told);
    this.detach = () => {
      this.isOver = true;
      connection?.off('readyForQuery', told);
    };
  }

  /** No transaction is open, and nothing that was sent can open one. */
  get isBetween(): boolean {
    return this.status === 'I' && this.unclear === 0;
  }

  /** Sends a statement behind those before it, in the same tick. */
  run(statement: Statement, values: unknown): Promise<unknown> {
    this.#bringUp();
    const { submittable } = statement;
    const { mayControl } = statement.traits;
    this.inFlight += 1;
    if (mayControl) this.unclear += 1;
    let result: Promise<unknown>;
    try {
      if (submittable === undefined) {
        result = this.#send.call(this.client, statement.config, values) as Promise<unknown>;
      } else {
        result = endOf(submittable);
        this.#send.call(this.client, submittable);
      }
    } catch (error) {
      this.#ended(mayControl);
      return Promise.reject(error);
    }
    const { known, sets } = statement.traits;
    if (known && !sets && !mayControl) {
      // Most statements: nothing is to be learned from their answer.
      result.then(this.#plainEnded, this.#plainEnded);
      return result;
    }
    result.then(
      (answer) => {
        this.#ended(mayControl);
        this.#noteSetting(statement, values, answer);
      },
      () => {
        this.#ended(mayControl);
      },
    );
    return result;
  }

  /** Sends a statement of the adapter's own. */
  ask(config: unknown, values?: unknown): Promise<unknown> {
    this.#bringUp();
    return this.#send.call(this.client, config, values) as Promise<unknown>;
  }

  /** What callers set elsewhere comes first. One that fails failed there too, or says so by what follows. */
  #bringUp(): void {
    const { version } = this.#settings;
    if (this.#applied === version || this.status !== 'I') return;
    const missing = [...this.#settings.since(this.#applied)];
    this.#applied = version;
    for (const setting of missing) {
      if (setting.listener?.isOver === false) continue;
      if (setting.listener !== undefined) setting.listener = this;
      this.ask(setting.statement.config, setting.values).catch(() => undefined);
    }
  }

  #ended(mayControl: boolean): void {
    this.inFlight -= 1;
    if (mayControl) this.unclear -= 1;
    this.#changed();
  }

  #noteSetting(statement: Statement, values: unknown, answer: unknown): void {
    const { status } = this;
    statement.whenKnown(({ sets, listens }) => {
      if (!sets) return;
      const setting: Setting = { statement, values, listener: listens ? this : undefined };
      if (status === 'I') this.#made(setting);
      else this.#tentative.push(setting);
    });
    if (this.#tentative.length === 0 || status !== 'I') return;
    const made = this.#tentative;
    this.#tentative = [];
    if (commandOf(answer) !== 'COMMIT') return;
    for (const setting of made) this.#made(setting);
  }

  #made(setting: Setting): void {
    const version = this.#settings.add(setting);
    // Where another connection's came between, all of them are set here again, in their order.
    if (this.#applied === version - 1) this.#applied = version;
  }
}

/** What the server says that it did: of several statements the last one. */
function commandOf(answer: unknown): unknown {
  const last: unknown = Array.isArray(answer) ? answer.at(-1) : answer;
  return (last as { readonly command?: unknown } | undefined)?.command;
}
