import type { Steps } from '../steps.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import type { ReportBuilder } from './report-builder.ts';
import type { RepeatTable } from './repeat-table.ts';
import type { Batch, OwnRows } from './store-rows.ts';

/** Where a recorder keeps what was counted. Each function is one short try: it throws the store's error, and waits for nothing. */
export interface RecordingStore {
  /** Takes all of it or nothing. Rows written again take the place of those that were written before. */
  write(batch: Batch): void;
  /** Adds all that is stored but what the caller adds itself. */
  read(builder: ReportBuilder, own: OwnRows): void;
  /** The same in steps, of the state at the first one. Left out where it can't be. */
  readInSteps?(builder: ReportBuilder, own: OwnRows): Steps<void>;
  /** Adds what is stored of reliance, but for what `ownWriter` stored. */
  readReliance(add: (row: RelianceEvidence) => void, ownWriter: string): void;
  /** Looks whether what was written is still there. Default: it always is.
   *
   * @throws {StoreGoneError} where it isn't. */
  check?(): void;
  /** What is asked of programs. Left out where nothing can be. */
  readonly repeats?: RepeatTable | undefined;
  /** For the last write before closing, which is on no caller's path. */
  allowWaiting(maxWaitMs: number): void;
  close(): void;
}
