import type { StatementTraits } from './statement-traits.ts';

/** What legs must know of the state that statements leave on connections. */
export interface LegSession<Connection> {
  /** The key works with such state: all its statements are to run on one connection. */
  isKept(key: string): boolean;
  /** Notes that it does. */
  keep(key: string): void;
  /** What a statement does, once that is known, or where it takes too long that it isn't. Never rejects. */
  learn(sql: string): Promise<StatementTraits>;
  /** Whether no lock is held any more by a connection that statements with locks ran on. Never rejects. */
  holdsNoLock(connection: Connection): Promise<boolean>;
}
