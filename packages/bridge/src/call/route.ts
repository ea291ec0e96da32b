import type { LegName, Stage } from '@changeover/core';

/** What happens to a call at one stage. */
export interface Route {
  readonly read: {
    /** The leg whose result the caller gets. */
    readonly answers: LegName;
    /** The leg that runs the same read in the background, compared. */
    readonly shadow: LegName | undefined;
    /** The leg that answers when the first one had no connection. */
    readonly fallback: LegName | undefined;
  };
  readonly write: {
    readonly answers: LegName;
    /** The leg that does the same write for comparison, rolled back. */
    readonly shadow: LegName | undefined;
  };
}

/** The whole behaviour by stage: the table of the design, which the rest of this package carries out. */
export const routes: Readonly<Record<Stage, Route>> = Object.freeze({
  legacy: {
    read: { answers: 'legacy', shadow: undefined, fallback: undefined },
    write: { answers: 'legacy', shadow: undefined },
  },
  shadow: {
    read: { answers: 'legacy', shadow: 'pooled', fallback: undefined },
    write: { answers: 'legacy', shadow: 'pooled' },
  },
  reverse: {
    read: { answers: 'pooled', shadow: 'legacy', fallback: 'legacy' },
    write: { answers: 'pooled', shadow: undefined },
  },
  pooled: {
    read: { answers: 'pooled', shadow: undefined, fallback: undefined },
    write: { answers: 'pooled', shadow: undefined },
  },
});
