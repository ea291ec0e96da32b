import type { Statement } from '@changeover/classify';
import type { Undetermined } from '@changeover/core';

/** What the adapter must know of a statement before it is run. */
export interface StatementTraits {
  /** False while it is being learned what the statement does. */
  readonly known: boolean;
  /** It reads the file and nothing of its connection, so that any connection answers alike. */
  readonly comparable: boolean;
  /** It may do something, as far as is known. */
  readonly acts: boolean;
  /** It may leave a setting, an attached database or a temporary object on its connection. */
  readonly marksConnection: boolean;
  /** It may change the schema. */
  readonly changesSchema: boolean;
  /** It may name a temporary object. */
  readonly temporary: boolean;
  /** `last_insert_rowid()`, `changes()`. */
  readonly readsLastWrite: boolean;
  readonly begins: boolean;
  /** It needs the file for itself (`PRAGMA journal_mode = …`), so that other connections must be closed. */
  readonly needsFileAlone: boolean;
  readonly ordered: boolean;
  readonly undetermined: Undetermined | undefined;
}

/** Of a statement that is not known yet, or can't be. */
export const unknownTraits: StatementTraits = Object.freeze({
  known: false,
  comparable: false,
  acts: true,
  marksConnection: true,
  changesSchema: true,
  temporary: true,
  readsLastWrite: false,
  begins: true,
  needsFileAlone: false,
  ordered: false,
  undetermined: undefined,
});

const fileModes: ReadonlySet<string> = new Set(['PRAGMA journal_mode', 'PRAGMA locking_mode']);

const made = new WeakMap<Statement, StatementTraits>();

/** The traits of a classified statement. */
export function traitsOf(statement: Statement | 'pending'): StatementTraits {
  if (statement === 'pending') return unknownTraits;
  const known = made.get(statement);
  if (known !== undefined) return known;
  const traits = Object.freeze(newTraits(statement));
  made.set(statement, traits);
  return traits;
}

function newTraits(statement: Statement): StatementTraits {
  const { acts, effect, session, readsLastWrite, transaction, connectionFacts } = statement;
  const reads = effect === 'reads';
  const unclear = acts.some(
    ({ kind }) => kind === 'not understood' || kind === 'several statements',
  );
  return {
    known: true,
    comparable: reads && session === 'none' && !readsLastWrite && connectionFacts.length === 0,
    acts: !reads,
    marksConnection: unclear || session === 'sets' || (!reads && session === 'temporary'),
    changesSchema:
      acts.some(({ kind }) => kind === 'changes the schema' || kind === 'several statements') ||
      (unclear && !acts.some(({ kind }) => kind === 'writes rows')),
    temporary: unclear || session === 'temporary',
    readsLastWrite,
    begins: unclear || transaction === 'begin' || transaction === 'savepoint',
    needsFileAlone: acts.some(({ detail }) => fileModes.has(detail)),
    ordered: statement.order === 'total',
    undetermined: strongest(statement),
  };
}

/** What the bridge asks about an answer that may differ from run to run: the least that can be relied on. */
function strongest({ undetermined }: Statement): Undetermined | undefined {
  const kinds = undetermined.map(({ what }) =>
    what === 'rounding'
      ? 'rounding'
      : what === 'order of rows' || what === 'choice of rows' || what === 'sample'
        ? 'choice'
        : 'volatile',
  );
  const kind = (['volatile', 'choice', 'rounding'] as const).find((each) => kinds.includes(each));
  if (kind === undefined) return undefined;
  return Object.freeze({ kind, reason: undetermined.map(({ what }) => what).join(', ') });
}
