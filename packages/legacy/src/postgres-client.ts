import {
  bareUrl,
  type CancelTarget,
  postgresDriver,
  splitUrl,
  requiredSettings,
  startupOptions,
} from '@changeover/engines';
import type pg from 'pg';

/** How long connecting may take. */
export const connectTimeoutMs = 5000;
const closeTimeoutMs = 1000;
/** The server ends a session that leaves a transaction open and idle for this long. */
export const idleInTransactionTimeoutMs = 60_000;

/** A client that is not connected yet.
 *
 * @param isBare asks for no settings at its start, which some poolers refuse. */
export function createClient(url: string, dataset: string | undefined, isBare: boolean): pg.Client {
  return new (postgresDriver().Client)(clientConfig(url, dataset, isBare));
}

function clientConfig(url: string, dataset: string | undefined, isBare: boolean): pg.ClientConfig {
  const usual = {
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    application_name: 'changeover',
  };
  if (isBare) return { ...usual, connectionString: bareUrl(url).url };
  const split = splitUrl(url);
  return {
    ...usual,
    connectionString: split.url,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    options: startupOptions(split.options, requiredSettings(dataset)),
  };
}

/** Ends the connection in bounded time. Never rejects. */
export async function endClient(client: pg.Client): Promise<void> {
  const { stream } = connectionOf(client);
  // A server that is gone answers no goodbye.
  const timer = setTimeout(() => {
    stream.destroy();
  }, closeTimeoutMs);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

/** What of the driver's client has no public type. */
export interface ClientConnection {
  on(
    event: 'parameterStatus',
    listener: (message: { parameterName: string; parameterValue: string }) => void,
  ): void;
  readonly stream: { destroy(): void };
}

/** The client's connection. */
export function connectionOf(client: pg.Client): ClientConnection {
  return (client as unknown as { readonly connection: ClientConnection }).connection;
}

/** What is asked to give a client's statement up. */
export function targetOf(client: pg.Client): CancelTarget {
  return client as unknown as CancelTarget;
}
