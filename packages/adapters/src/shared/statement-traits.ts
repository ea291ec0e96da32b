import type { SessionReliance } from '@changeover/bridge';
import type { Statement, TransactionControl } from '@changeover/classify';
import type { Undetermined } from '@changeover/core';

/** What a classifier said of a text, or that it does not know it yet. */
export type Classification = Statement | 'pending';

/** What adapters ask of a statement at each call; told once for each text. */
export interface StatementTraits {
  /** False while it is being learned what the statement does. */
  readonly known: boolean;
  /** It reads, and any connection with the same settings answers the same. */
  readonly reads: boolean;
  /** Of what reads: it tells what the connection is set to. */
  readonly readsSettings: boolean;
  /** It reads what the connection's last write left: `last_insert_rowid()`, `changes()`, `lastval()`. */
  readonly readsLastWrite: boolean;
  /** It may do something, as far as is known. */
  readonly acts: boolean;
  /** Several statements in one text. */
  readonly several: boolean;
  /** What it does to the transaction around it; undefined where it is one of several statements. */
  readonly control: TransactionControl | undefined;
  /** It is known to begin a transaction. */
  readonly begins: boolean;
  /** It is known to end one: it reaches the open transaction whoever issues it. */
  readonly ends: boolean;
  /** It may begin or end one, as far as its text tells. Whether it did is asked of the connection. */
  readonly mayControl: boolean;
  /** It sets what can be set again on another connection: SET, LISTEN, `set_config`. */
  readonly sets: boolean;
  /** Of what sets: it is LISTEN. */
  readonly listens: boolean;
  /** It leaves something on its connection that a later statement finds: a setting, temporary objects, locks. */
  readonly leaves: 'nothing' | 'settings' | 'temporary objects' | 'locks';
  /** How it relies on the one session that statements of a singleton share. */
  readonly sessionUses: readonly SessionReliance[];
  /** What it leaves can't be given to another connection. */
  readonly staysPut: boolean;
  /** It may be several statements, or what can't be told. */
  readonly unclear: boolean;
  /** It may change the schema. */
  readonly changesSchema: boolean;
  /** It changes how the file is used, so that other connections to it must be closed (`PRAGMA journal_mode = …`). */
  readonly needsFileAlone: boolean;
  readonly ordered: boolean;
  readonly undetermined: Undetermined | undefined;
  /** The text without its values, by which its calls are counted and compared apart from others. Empty while it is not known. */
  readonly shape: string;
}

/** Of a text that is not known yet, or can't be: it may do anything but answer for itself. */
export const unknownTraits: StatementTraits = Object.freeze({
  known: false,
  reads: false,
  readsSettings: false,
  readsLastWrite: false,
  acts: true,
  several: false,
  control: undefined,
  begins: false,
  ends: false,
  mayControl: true,
  sets: false,
  listens: false,
  leaves: 'nothing',
  sessionUses: [],
  staysPut: false,
  unclear: true,
  changesSchema: true,
  needsFileAlone: false,
  ordered: false,
  undetermined: undefined,
  shape: '',
});

const fileModes: ReadonlySet<string> = new Set(['PRAGMA journal_mode', 'PRAGMA locking_mode']);

const made = new WeakMap<Statement, StatementTraits>();

/** The traits of a classified text. Costs one look-up. */
export function traitsOf(statement: Classification): StatementTraits {
  if (statement === 'pending') return unknownTraits;
  let traits = made.get(statement);
  if (traits === undefined) {
    traits = Object.freeze(newTraits(statement));
    made.set(statement, traits);
  }
  return traits;
}

function newTraits(statement: Statement): StatementTraits {
  const { acts, effect, session, transaction, connectionFacts, readsLastWrite } = statement;
  const does = (kind: (typeof acts)[number]['kind']): boolean =>
    acts.some((act) => act.kind === kind);
  const several = does('several statements');
  const unclear = several || does('not understood');
  // `set_config` is told as a function that acts, and as nothing else.
  const onlySets = acts.every(
    ({ kind, detail }) => kind === 'sets the session' || /\bset_config$/.test(detail),
  );
  const controls = transaction !== undefined && transaction !== 'settings';
  return {
    known: true,
    reads:
      effect === 'reads' &&
      !readsLastWrite &&
      (session === 'none' || session === 'reads') &&
      connectionFacts.length === 0,
    readsSettings: session === 'reads',
    readsLastWrite,
    acts: effect !== 'reads',
    several,
    control: several ? undefined : transaction,
    begins: !several && transaction === 'begin',
    ends: !several && (transaction === 'commit' || transaction === 'rollback'),
    mayControl: effect === 'unknown' || several || controls,
    sets: session === 'sets' && onlySets,
    listens: acts.some(({ detail }) => detail === 'Listen'),
    leaves: leftBy(session),
    sessionUses: [
      ...(session === 'none' ? [] : [session]),
      ...(readsLastWrite ? (['lastWrite'] as const) : []),
    ],
    staysPut: leftBy(session) !== 'nothing' && !(session === 'sets' && onlySets),
    unclear,
    changesSchema:
      does('changes the schema') ||
      several ||
      // What was understood of it would have said so.
      (unclear && !does('writes rows')),
    needsFileAlone: acts.some(({ detail }) => fileModes.has(detail)),
    ordered: statement.order === 'total',
    undetermined: undeterminedOf(statement),
    shape: statement.shape,
  };
}

function leftBy(session: Statement['session']): StatementTraits['leaves'] {
  switch (session) {
    case 'sets':
      return 'settings';
    case 'temporary':
      return 'temporary objects';
    case 'locks':
      return 'locks';
    case 'none':
    case 'reads':
      return 'nothing';
  }
}

/** What the bridge asks about an answer that may differ from run to run: the least that can be relied on. */
function undeterminedOf({ undetermined }: Statement): Undetermined | undefined {
  const kinds = undetermined.map(({ what }) =>
    what === 'rounding'
      ? 'rounding'
      : what === 'order of rows' || what === 'choice of rows' || what === 'sample'
        ? 'choice'
        : 'volatile',
  );
  const kind = (['volatile', 'choice', 'rounding'] as const).find((each) => kinds.includes(each));
  if (kind === undefined) return undefined;
  const causes = new Set(undetermined.map(({ what }) => what));
  return Object.freeze({ kind, reason: [...causes].join(', ') });
}
