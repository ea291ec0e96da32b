import type { LegName, Stage } from '@changeover/core';

/** What happens to a call at one stage. */
export interface Route {
  readonly read: {
    /** The leg whose result the caller gets. */
    readonly answers: LegName;
    /** The leg that runs the same read in the background, compared. */
    readonly beside: LegName | undefined;
    /** The leg that answers when the first one had no connection. */
    readonly fallback: LegName | undefined;
  };
  readonly write: {
    readonly answers: LegName;
    /** The leg that does the same write for comparison, rolled back. */
    readonly beside: LegName | undefined;
  };
}

/** The whole behaviour by stage: the table of the design, which the rest of this package carries out. */
export const routes: Readonly<Record<Stage, Route>> = Object.freeze({
  legacy: {
    read: { answers: 'legacy', beside: undefined, fallback: undefined },
    write: { answers: 'legacy', beside: undefined },
  },
  shadow: {
    read: { answers: 'legacy', beside: 'pooled', fallback: undefined },
    write: { answers: 'legacy', beside: 'pooled' },
  },
  reverse: {
    read: { answers: 'pooled', beside: 'legacy', fallback: 'legacy' },
    write: { answers: 'pooled', beside: undefined },
  },
  pooled: {
    read: { answers: 'pooled', beside: undefined, fallback: undefined },
    write: { answers: 'pooled', beside: undefined },
  },
});
