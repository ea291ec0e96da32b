/** What the command ends with. */
export const exitCodes: Readonly<
  Record<'done' | 'error' | 'usage' | 'inconclusive' | 'gateFailed', number>
> = Object.freeze({
  done: 0,
  error: 1,
  usage: 2,
  inconclusive: 3,
  gateFailed: 99,
});

/** Ends the command with a message for the person who typed it: what is wrong, and what to type instead. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.error) {
    super(message);
    this.exitCode = exitCode;
  }
}
