import { ChangeoverError } from '@changeover/core';
import type { PoolClient } from 'pg';

/** What a connection's answers depend on beside the statement, by the server's own names. */
const settings: readonly string[] = [
  'search_path',
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'bytea_output',
  'extra_float_digits',
  'standard_conforming_strings',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'row_security',
  'role',
];

const factsQuery = `select current_database() as database, session_user::text as "user",
  pg_is_in_recovery() as recovery, ${settings.map((name) => `current_setting('${name}') as "${name}"`).join(', ')}`;

type Facts = Readonly<Record<string, unknown>>;
type Ask = (sql: string, values?: readonly unknown[]) => Promise<{ readonly rows: Facts[] }>;

/** A pooled connection stands on another database, as another user or on a replica: what it answers is not what the legacy one would. */
export class ConnectionSettingsError extends ChangeoverError {
  override readonly name = 'ConnectionSettingsError';
  constructor(what: string, expected: unknown, found: unknown) {
    super(
      'CONNECTION_SETTINGS',
      `A connection of the pool has ${what} ${JSON.stringify(found)}, the legacy connection has ${JSON.stringify(expected)}. ` +
        'Give the pool the same connection parameters.',
    );
  }
}

/** Makes pooled connections stand on what the legacy connection stood on when it was first asked. */
export class ConnectionSettings {
  readonly #ask: () => Promise<{ readonly rows: Facts[] } | undefined>;
  #facts: Promise<Facts | undefined> | undefined;

  /** @param ask asks the legacy connection, between its transactions; undefined where it can't be asked. */
  constructor(ask: (sql: string) => Promise<{ readonly rows: Facts[] } | undefined>) {
    this.#ask = () => ask(factsQuery);
  }

  /**
   * Checks a connection that nobody has used yet, and sets what differs.
   *
   * @throws {ConnectionSettingsError} where something differs that can't be set.
   */
  async give(client: PoolClient): Promise<void> {
    this.#facts ??= this.#wanted();
    const wanted = await this.#facts;
    if (wanted === undefined) {
      this.#facts = undefined;
      return;
    }
    const ask = client.query.bind(client) as unknown as Ask;
    const [found] = (await ask(factsQuery)).rows;
    if (found === undefined) return;
    for (const what of ['database', 'user', 'recovery'])
      if (found[what] !== wanted[what])
        throw new ConnectionSettingsError(what, wanted[what], found[what]);
    const differing = settings.filter((name) => found[name] !== wanted[name]);
    for (const name of differing)
      await ask('select set_config($1, $2, false)', [name, wanted[name]]);
  }

  async #wanted(): Promise<Facts | undefined> {
    const answer = await this.#ask().catch(() => undefined);
    return answer?.rows[0];
  }
}
