import knex from 'knex';
import type { BridgedConnection } from './bridged-connection.ts';
import type { KnexBuilder, KnexQuery, KnexRunnerClass, RawConnection } from './knex-client.ts';
import { NotRunError } from './not-run.ts';

/** What runners of a bridged client ask of it. */
export interface RunnerClient {
  /** Lets what asks the client for a connection meanwhile have one that its first statement finds a leg for. */
  asKnex<R>(acquire: () => R): R;
  /** The bridge's, where a connection is not one that the program brought. */
  bridgedOf(connection: RawConnection): BridgedConnection | undefined;
}

/** Knex's class of runners, for a bridged client's builders. */
export function bridgedRunnerClass(
  Base: KnexRunnerClass,
  { asKnex, bridgedOf }: RunnerClient,
): KnexRunnerClass {
  return class BridgedRunner extends Base {
    override ensureConnection(...how: unknown[]): Promise<unknown> {
      return asKnex(() => super.ensureConnection(...how));
    }

    override query(query: KnexQuery): Promise<unknown> {
      const bridged =
        query.timeout && this.connection !== undefined ? bridgedOf(this.connection) : undefined;
      const running =
        bridged === undefined
          ? super.query(query)
          : bridged.acquireFor(query).then(() => super.query(query));
      return running.then(undefined, (error: unknown) => {
        throw error instanceof NotRunError ? withBuilder(error.cause, this.builder) : error;
      });
    }
  };
}

/** As Knex does where it acquires a connection: a time-out tells the statement that waited. */
function withBuilder(error: Error, { sql, bindings }: KnexBuilder): Error {
  return error instanceof knex.KnexTimeoutError ? Object.assign(error, { sql, bindings }) : error;
}
