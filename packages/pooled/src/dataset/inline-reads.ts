import type { OperationJob } from '../job.ts';

/** Reads on the spot, where an engine has that. */
export interface InlineReads {
  /** @returns undefined where the read has to take a connection of the pool. */
  tryRead(job: OperationJob): { readonly value: unknown } | undefined;
  /** When to try again, for a read that belongs here but found the event loop busy enough. */
  nextTurn(job: OperationJob): Promise<void> | undefined;
  /** Whether something is open for it. */
  open(): boolean;
  /** See `ShadowLeg.version`. */
  version(): string | undefined;
  /** The same; what it has to open for that, it opens. Throws what that throws. */
  look(): string | undefined;
  /** See `ShadowLeg.mark`. As {@link look}. */
  mark(): string | undefined;
  close(): void;
}
