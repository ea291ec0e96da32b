import type { Program } from '@changeover/engines';

/** The one connection of a legacy object, to the dataset that was named last. One program at a time. */
export interface Connection {
  /** False once it was lost, or is no longer what it was opened as. */
  readonly usable: boolean;
  /** Runs a program to its end. Rejects with an error of the family. */
  run<T>(program: Program<T>): Promise<T>;
  /** Asks the engine to give up the statement that runs now, if one does. Never rejects. */
  cancel(): Promise<void>;
  /** Never rejects. */
  close(): Promise<void>;
}
