import { Findings } from '../findings.ts';
import type { Call, Query } from '../query/query.ts';
import type { Cause } from '../statement.ts';
import type { Catalogue, RelationFact } from './catalogue.ts';
import type { TemporaryObjects } from '../temporary-objects.ts';
import * as reviewed from './reviewed.ts';

/** A node of DuckDB's serialised syntax tree. */
export type Node = Readonly<Record<string, unknown>>;

/** What a text parses to: its statements, or why it is none that can be serialised. */
export type Parsed =
  | { readonly statements: readonly Node[] }
  | { readonly error: 'parser' | 'not a select'; readonly message: string };

/** What a judgement works with. */
export interface WalkOptions {
  readonly catalogue: Catalogue;
  readonly pure: ReadonlySet<string>;
  /** Views by their text. */
  readonly temporary: TemporaryObjects<string>;
  /** Undefined: it has to be parsed first, and will be. */
  readonly parsed: (sql: string) => Parsed | undefined;
  readonly translate: (walk: Walk, statement: Node) => Query;
}

const maxDepth = 16;

/** One walk over a statement's tree, or over that of a view or macro which it uses. */
export class Walk {
  readonly findings: Findings = new Findings();
  readonly options: WalkOptions;
  missing = false;
  readonly commonTables: string[][] = [];
  readonly #depth: number;

  constructor(options: WalkOptions, depth = 0) {
    this.options = options;
    this.#depth = depth;
  }

  /** Looks into the text of a view or a macro.
   *
   * @param isDefault of a column that the statement names by its table: who compares what was written asks for these. */
  inside(through: string, sql: string, isDefault = false): Query | undefined {
    if (this.#depth >= maxDepth) {
      this.findings.act('not understood', `${through}: it leads to ever more`);
      return undefined;
    }
    const parsed = this.options.parsed(sql);
    if (parsed === undefined) {
      this.missing = true;
      return undefined;
    }
    const walk = new Walk(this.options, this.#depth + 1);
    if ('error' in parsed) walk.findings.act('not understood', parsed.message);
    const statements = 'error' in parsed ? [] : parsed.statements;
    const queries = statements.map((statement) => this.options.translate(walk, statement));
    if (walk.missing) this.missing = true;
    this.findings.include(walk.findings, through, { isDefault });
    return queries[0];
  }

  /** A scalar or aggregate function, by its name in lower case. */
  call(name: string): Pick<Call, 'causes' | 'aggregate' | 'sensitive' | 'float' | 'returnsSet'> {
    const candidates = this.options.catalogue.functions.get(name) ?? [];
    const scalar = candidates.filter(({ type }) => !type.startsWith('table') && type !== 'pragma');
    if (this.options.pure.has(name)) return { ...pureCall };
    // The catalogue doesn't list it: it is part of the binder.
    if (scalar.length === 0 && name !== 'unnest')
      this.findings.act('not understood', `there is no function ${name}`);
    for (const { macro, internal, volatile } of scalar) {
      if (macro !== null && !internal) this.inside(`macro ${name}`, `select ${macro}`);
      if (volatile && !reviewed.harmlessVolatile.has(name))
        this.findings.act('calls a function that acts', name);
    }
    this.tells(name);
    return {
      causes: causesOf(name),
      aggregate: scalar.some(({ type }) => type === 'aggregate'),
      sensitive: sensitivity(name),
      float: reviewed.roundingAggregates.has(name)
        ? 'as arguments'
        : scalar.some(({ float }) => float)
          ? 'always'
          : 'as arguments',
      returnsSet: name === 'unnest',
    };
  }

  /** An operator that is DuckDB's own, and no macro of a user's. */
  isOwnOperator(name: string, fields: Node): boolean {
    const candidates = this.options.catalogue.functions.get(name) ?? [];
    return fields['is_operator'] === true && candidates.every(({ internal }) => internal);
  }

  /** What a function or a word says about the session. */
  tells(name: string): void {
    for (const cause of causesOf(name)) this.findings.answersAnew(cause);
    if (reviewed.readsSession.has(name)) this.findings.uses('reads');
    if (reviewed.setsSession.has(name)) this.findings.uses('sets');
    if (reviewed.connectionFacts.has(name)) this.findings.connectionFact(name);
    if (name === 'currval') this.findings.readsLastWrite();
  }

  /** A function in FROM. Its query, if it is a macro. */
  tableFunction(name: string): Query | undefined {
    const candidates = this.options.catalogue.functions.get(name) ?? [];
    const macros = candidates.filter(({ type, internal }) => type === 'table_macro' && !internal);
    this.tells(name);
    if (this.options.pure.has(name)) return undefined;
    if (macros.length === 0 && !reviewed.readingTableFunctions.has(name))
      this.findings.act('calls a function that acts', `table function ${name}`);
    return macros.map(({ macro }) => this.inside(`macro ${name}`, macro ?? '')).at(0);
  }

  /** Whether a name may mean temporary objects of some connection. They are noted; a view among them is looked into. */
  isTemporary(name: string): boolean {
    const definitions = this.options.temporary.get(name);
    if (definitions === 'anything') {
      this.findings.act('not understood', `${name} may be one of very many temporary objects`);
      return true;
    }
    if (definitions.length > 0) this.findings.uses('temporary');
    for (const definition of definitions)
      if (definition !== undefined) this.inside(`temporary view ${name}`, definition);
    return definitions.length > 0;
  }

  /** What a name in FROM may mean; undefined: nothing that is known. */
  relation(name: string): RelationFact | undefined {
    const found = this.options.catalogue.relations.get(name) ?? [];
    if (found.some(({ temporary }) => temporary)) this.findings.uses('temporary');
    return found[0];
  }
}

const pureCall = {
  causes: [],
  aggregate: false,
  sensitive: undefined,
  float: 'as arguments',
  returnsSet: false,
} as const;

/** Why a function's or a word's answer may differ from run to run. */
export function causesOf(name: string): readonly Cause[] {
  if (reviewed.clock.has(name)) return ['time'];
  if (reviewed.randomSource.has(name)) return ['random'];
  return reviewed.connectionFacts.has(name) ? ['connection fact'] : [];
}

function sensitivity(name: string): Call['sensitive'] {
  if (reviewed.roundingAggregates.has(name)) return 'rounding';
  if (reviewed.alwaysRounding.has(name)) return 'always rounding';
  return reviewed.orderAggregates.has(name) ? 'order' : undefined;
}
