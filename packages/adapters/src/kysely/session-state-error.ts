import { ChangeoverError } from '@changeover/core';

/** A statement needs what the last write left on its connection, and that connection is not known. It was not run. */
export class SessionStateError extends ChangeoverError {
  override readonly name = 'SessionStateError';

  constructor(sql: string) {
    super(
      'SESSION_STATE',
      `This statement reads what the last write left on its connection, and the pooled leg made that write on any of several: ` +
        `${sql.slice(0, 200)}. It was not run. Use returning(), or make both in one transaction. From now on its key has one connection of the pooled leg.`,
    );
  }
}
