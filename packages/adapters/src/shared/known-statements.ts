import type { StatementClassifier } from '@changeover/classify';
import type { LeasedStatement } from './leases.ts';
import { type StatementTraits, traitsOf, unknownTraits } from './statement-traits.ts';

/** How long a connection is kept back until it is known what a statement left on it, in ms. */
const learnWithinMs = 1_000;

/** What is known of statements, and when that is out of date. */
export class KnownStatements {
  readonly #classifier: StatementClassifier;

  constructor(classifier: StatementClassifier) {
    this.#classifier = classifier;
  }

  /** At once: what is not known yet is being learned. */
  traits(sql: string): StatementTraits {
    return traitsOf(this.#classifier.classify(sql));
  }

  /** What a statement does once that is known, or where it takes more than a second that it isn't. Never rejects. */
  async learn(sql: string): Promise<StatementTraits> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, learnWithinMs, undefined).unref();
    });
    const learned = await Promise.race([this.#classifier.learn(sql), late]);
    clearTimeout(timer);
    return learned === undefined ? unknownTraits : traitsOf(learned);
  }

  /** The parser is loaded and the catalogue read before the first statement needs them. */
  warmUp(): void {
    void this.#classifier.learn('select 1');
  }

  /** Notes that statements took effect: what was learned of the schema may be out of date. */
  ran(statements: readonly Pick<LeasedStatement, 'sql' | 'traits'>[]): void {
    for (const { sql, traits } of statements) {
      if (!traits.changesSchema) continue;
      if (traits.known) {
        this.#classifier.schemaChanged();
        return;
      }
      void this.learn(sql).then((learned) => {
        if (learned.known && learned.changesSchema) this.#classifier.schemaChanged();
      });
    }
  }

  close(): Promise<void> {
    return Promise.resolve(this.#classifier.close());
  }
}
