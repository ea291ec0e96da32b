import { WiringError } from '@changeover/bridge';
import knex, { type Knex } from 'knex';
import { type BridgeKnexOptions, parseOptions } from './bridge-knex-options.ts';
import { bridgedClientClass } from './bridged-client.ts';
import { BridgedQueries } from './bridged-queries.ts';
import { BridgedLife } from './bridged-life.ts';
import type { KnexClient, KnexClientClass } from './knex-client.ts';
import { sharedSettings } from './shared-settings.ts';

/**
 * Puts a bridge in the place of a Knex instance: one line changes, the query builder, its types and its call sites stay.
 *
 * ```ts
 * export default bridgeKnex(knex({ client: 'pg', connection: process.env.DATABASE_URL }), { name: 'orders' });
 * ```
 *
 * Each executed statement goes to the leg that its key's stage says, by the flag `changeover.{name}`; at `shadow` and `reverse` what
 * only reads goes to the other leg too, in the background, and the rows are compared. The instance is the legacy leg. The pooled leg is
 * one more of the same configuration with a pool of `max`, or what `pooled` makes. A transaction is one connection of one leg;
 * of an instance with one connection, no other write of its key comes between. `bridgeOf(result)` gives what stands behind it.
 *
 * `destroy()` ends both instances and the bridge; the counts are stored. `initialize()` makes them anew.
 *
 * @throws {WiringError} for what is no Knex instance, or one of an engine without a classifier. {InvalidOptionError} for options that
 * can't be used.
 */
export function bridgeKnex<T extends Knex>(instance: T, options: BridgeKnexOptions): T {
  const parsed = parseOptions(options);
  const legacy = clientOf(instance, `The handle of "${options.name}"`);
  const pooled = (): KnexClient => {
    const client =
      parsed.pooled === undefined
        ? likeClient(legacy, options)
        : clientOf(parsed.pooled(), `What the option pooled of "${options.name}" made`);
    if (client.dialect === legacy.dialect) return client;
    throw new WiringError(
      `The legs of "${options.name}" are of two engines: ${legacy.dialect} and ${client.dialect}.`,
    );
  };
  const { connectionConfigProvider: provide } = legacy;
  if (provide !== undefined) legacy.connectionConfigProvider = sharedSettings(provide);
  const life = new BridgedLife({
    legacy,
    make: () => new BridgedQueries(legacy, pooled, parsed),
    refusal:
      parsed.classifier &&
      `The Knex of "${options.name}" can't be initialized again, for its classifier was closed with it: make another one.`,
  });
  return life.standsBehind(newKnex(instance, bridgedClientClass(life)));
}

/** Clients of Knex's own whose connections tell too little of themselves, and those to use instead. */
const refused: ReadonlyMap<unknown, string> = new Map([
  ['pgnative', 'pg'],
  ['sqlite3', 'better-sqlite3'],
]);

function clientOf(instance: Knex | undefined, what: string): KnexClient {
  const { client } = (instance ?? {}) as { readonly client?: Partial<KnexClient> };
  const other = refused.get(client?.driverName);
  if (other !== undefined)
    throw new WiringError(
      `${what} has the client ${String(client?.driverName)}, which is not bridged. Make it with client: '${other}', which talks to the ` +
        `same database by the same queries (npm install ${other}).`,
    );
  if (typeof client?._query === 'function' && client.transacting !== true)
    return client as KnexClient;
  throw new WiringError(`${what} is no Knex instance: it has no client that runs queries.`);
}

const silent = { warn() {}, error() {}, deprecate() {}, debug() {} };

/** An instance whose client is of another class, with what the first one was given. */
function newKnex<T extends Knex>(instance: T, client: KnexClientClass): T {
  const { config, logger } = instance.client as {
    readonly config: object;
    readonly logger: object;
  };
  // What Knex warns of it has said when the first one was made.
  const made = knex({ ...config, client, log: silent } as unknown as Knex.Config);
  Object.assign(made.client as object, { config: { ...config }, logger });
  made.userParams = instance.userParams;
  for (const event of ['start', 'query', 'query-error', 'query-response'])
    for (const listener of instance.listeners(event)) made.on(event, listener as () => void);
  return made as unknown as T;
}

/** A client with the configuration of another one, and a pool of its own. */
function likeClient(legacy: KnexClient, { name, max }: BridgeKnexOptions): KnexClient {
  const { config, connectionSettings, dialect } = legacy;
  if (config.connectionPool !== undefined)
    throw new WiringError(
      `The Knex of "${name}" was given its pool (connectionPool): make the other one by the option pooled.`,
    );
  const isFile = dialect === 'sqlite3';
  if (isFile && isInMemory(connectionSettings?.filename))
    throw new WiringError(
      `The database of "${name}" is in memory or temporary, so that no second connection can see it: it stays with its instance. ` +
        'Give it a file.',
    );
  const own = max ?? (isFile ? undefined : 10);
  const pool = { ...config.pool, ...(own === undefined ? {} : { min: 0, max: own }) };
  const Client = legacy.constructor as KnexClientClass;
  const connection = legacy.connectionConfigProvider ?? config.connection;
  return new Client({ ...config, connection, pool });
}

function isInMemory(filename: unknown): boolean {
  return typeof filename !== 'string' || /^(?:|file:)(?::memory:|$)|\bmode=memory\b/.test(filename);
}
