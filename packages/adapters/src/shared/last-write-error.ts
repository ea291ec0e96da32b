import { ChangeoverError } from '@changeover/core';

/** A statement needs what the last write left on its connection, and that connection is not known. It was not run. */
export class LastWriteError extends ChangeoverError {
  override readonly name = 'LastWriteError';

  constructor(sql: string) {
    super(
      'LAST_WRITE',
      `This statement reads what the last write left on its connection, and the pooled leg made that write on any of several: ` +
        `${sql.slice(0, 200)}. It was not run. Let the write return what is needed (RETURNING), or make both in one transaction. ` +
        'From now on its key has one connection of the pooled leg.',
    );
  }
}
