import { allKeys, keyTarget, noKey, type Stage, type Target } from '@changeover/core';

/** One line of the ledger: a dataset's change of stage, or of being held. */
export interface LedgerChange {
  /** Given by the store, growing. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly backend: string;
  /** As the table has it: see {@link targetOfRow}. */
  readonly dataset: string;
  readonly from: Stage;
  readonly to: Stage;
  /** True where the dataset stays at `to` until a person resumes it, whatever the flag asks. */
  readonly held: boolean;
  /** A person, `flag`, or `guardrail`. */
  readonly who: string;
  readonly reason: string;
  /** Of the flag data that asked for it; the empty string where none did. */
  readonly revision: string;
}

/** The column `dataset` of a target. No key has either of the other two names. */
export function rowDataset(target: Target): string {
  switch (target.kind) {
    case 'all':
      return '';
    case 'none':
      return '*';
    case 'key':
      return target.name;
  }
}

/** The target that a row's column `dataset` stands for. */
export function targetOfRow(dataset: string): Target {
  return dataset === '' ? allKeys : dataset === '*' ? noKey : keyTarget(dataset);
}

/** A line to be written, after the line that the writer knew to be the dataset's last; 0 where there was none. */
export type NewLedgerChange = Omit<LedgerChange, 'sequence'> & { readonly previous: number };

/** The sequences of lines that were written, in their order. */
export type AppendedLines = readonly (number | undefined)[];

/** Each line is on the disk before it counts; written together, many take little longer than one. */
export const maxLinesAtOnce = 100;

/** Where the ledger is kept. The functions may answer at once or by a promise. */
export interface LedgerStore {
  /** How often a process reads it for what others did, in ms: by so much at the most a step back reaches the others late. Default:
   * at each review. */
  readonly readIntervalMs?: number | undefined;
  /** Grows when what is read from then on is another ledger: its file was deleted or replaced, its store put back to an
   * earlier state. Default: it never is. */
  readonly generation?: number | undefined;
  /** Lines after `sequence`, in order. Lines that were given before may come again. */
  read(sequence: number): readonly LedgerChange[] | Promise<readonly LedgerChange[]>;
  /** Writes lines of different datasets, at most {@link maxLinesAtOnce}, in one transaction. Gives the sequence of
   * each, or undefined where `previous` isn't the dataset's last line any more: somebody else was first. */
  append(changes: readonly NewLedgerChange[]): AppendedLines | Promise<AppendedLines>;
  /** Calls `listener` when there is something to read that others wrote. Default: it is read at every interval. */
  subscribe?(listener: () => void): () => void;
  /** Writes may wait so long for another process's lock from now on, in ms. Default: it isn't waited for. */
  allowWaiting?(maxWaitMs: number): void;
  close(): void | Promise<void>;
}
