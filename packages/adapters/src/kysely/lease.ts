import type { DatabaseConnection, Driver } from 'kysely';
import type { Lease } from '../shared/leases.ts';

/** A connection of one of the dialects, while it is lent. */
export type KyselyLease = Lease<DatabaseConnection, Driver>;

/** Who has a connection of a leg from its first query until Kysely is done with it. */
export interface Holder {
  lease: KyselyLease | undefined;
}
