import type { Logger } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { createPostgresClassifier } from '@changeover/classify/postgresql';
import type { PooledConnections } from './pooled-connections.ts';

/** Classifies by the catalogue as pooled connections see it, so that the legacy connection is asked nothing. */
export function classifierOver(
  pooled: PooledConnections,
  pure: readonly string[],
  logger: () => Logger,
): StatementClassifier {
  let isTold = false;
  const tellOnce = (error: unknown): void => {
    // What a handle is asked of while it ends tells nothing of its pool.
    if (isTold || pooled.isEnding) return;
    isTold = true;
    logger().warn(
      { err: error },
      'what statements do can not be asked of the catalogue: until it can, all of them count as acting and none is compared',
    );
  };
  return createPostgresClassifier({
    query: (sql, values) =>
      pooled.ask(sql, values).catch((error: unknown) => {
        if (pooled.isUnavailable(error)) tellOnce(error);
        throw error;
      }),
    pure,
  });
}
