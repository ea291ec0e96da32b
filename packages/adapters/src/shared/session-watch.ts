import { type Bridge, calledText, type SessionReliance } from '@changeover/bridge';
import type { Statement } from '@changeover/classify';
import { type StatementTraits, traitsOf } from './statement-traits.ts';

/** A statement that is executed. */
export interface WatchedStatement {
  readonly key: string;
  readonly operation: string;
  readonly sql: string;
  readonly traits: StatementTraits;
  /** It is part of a transaction, which has its connection to itself: what the last write left is there. */
  readonly isInside: boolean;
}

/** Texts that may be learned at once for this. */
const maxLearning = 1_000;

/** Counts which statements of a handle rely on its one session, from the first day at `legacy` on. The adapters keep that session. */
export class SessionWatch {
  readonly #bridge: () => Bridge;
  readonly #learn: (sql: string) => Promise<Statement>;
  readonly #learning = new Set<string>();

  /** @param learn what a text does; never rejects. */
  constructor(bridge: () => Bridge, learn: (sql: string) => Promise<Statement>) {
    this.#bridge = bridge;
    this.#learn = learn;
  }

  /** Whether {@link saw} has to be told: most statements rely on nothing. */
  concerns(traits: StatementTraits): boolean {
    return !traits.known || traits.sessionUses.length > 0;
  }

  /** To be told of each statement in the tick in which it is executed. Never throws. */
  saw(statement: WatchedStatement): void {
    const { sql, traits } = statement;
    try {
      if (traits.known) this.#record(statement, traits);
      else if (this.#learning.size < maxLearning && !this.#learning.has(sql))
        this.#later(statement);
    } catch {
      // No watching may break a caller.
    }
  }

  /** The call site is only there now. */
  #later(statement: WatchedStatement): void {
    const { key, sql } = statement;
    const site = this.#bridge().captureSite('session unknown', key);
    this.#learning.add(sql);
    void this.#learn(sql).then((learned) => {
      this.#learning.delete(sql);
      this.#record(statement, traitsOf(learned), site);
    });
  }

  #record(statement: WatchedStatement, traits: StatementTraits, captured?: string): void {
    const { key, operation, isInside } = statement;
    const bridge = this.#bridge();
    for (const use of traits.sessionUses) {
      if (isInside && isOfTransaction(use)) continue;
      bridge.recorder.relied({
        backend: bridge.name,
        dataset: key,
        guarantee: 'session',
        use,
        site: captured ?? bridge.captureSite(`session ${use}`, key),
        what: calledText(operation, traits.shape),
      });
    }
  }
}

function isOfTransaction(use: SessionReliance): boolean {
  return use === 'lastWrite' || use === 'reads';
}
