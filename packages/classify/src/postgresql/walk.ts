import { Findings } from '../findings.ts';
import type { Query } from '../query/query.ts';
import { callFacts, type CallFacts, insideOf, isPure, noteBuiltin } from './calls.ts';
import type { Catalogue } from './catalogue.ts';
import type { FunctionFact, RelationFact } from './facts.ts';
import {
  nodes,
  type Node,
  type PostgresParser,
  selectOf,
  statementsOf,
  text,
  unwrap,
} from './parser.ts';
import { blockOf, definitionOfBlock, type ProceduralBody, proceduralBody } from './plpgsql.ts';
import type { TemporaryObjects } from '../temporary-objects.ts';

/** What a judgement works with. */
export interface WalkOptions {
  readonly parser: PostgresParser;
  readonly catalogue: Catalogue;
  readonly pure: ReadonlySet<string>;
  readonly temporary: TemporaryObjects<Node>;
  /** Translates the statements of a view or a function; given here because the two depend on each other. */
  readonly translate: (walk: Walk, statement: Node) => Query | undefined;
}

const maxDepth = 16;

// Types whose names say nothing that the catalogue would have to be asked for.
const plainTypes = new Set(
  'bool bpchar bytea char date float4 float8 int2 int4 int8 interval json jsonb name numeric oid regclass text time timestamp timestamptz timetz uuid varchar'.split(
    ' ',
  ),
);

/** One walk over a statement's tree, or over that of a view or a function which it uses. */
export class Walk {
  readonly findings: Findings = new Findings();
  readonly options: WalkOptions;
  /** Something was not known yet. */
  missing = false;
  /** Names of the common table expressions in sight. */
  readonly commonTables: string[][] = [];
  /** EXPLAIN plans and does not run: of a user's functions only those run that may be evaluated while planning. */
  planningOnly = false;
  readonly #depth: number;

  constructor(options: WalkOptions, depth = 0) {
    this.options = options;
    this.#depth = depth;
  }

  /** Looks into a text that belongs to what the statement uses, and includes what it does. Its query, if it is one. */
  inside(through: string, sql: string, isDefault = false): Query | undefined {
    return this.within(through, () => statementsOf(this.options.parser, sql), isDefault);
  }

  /** The same for trees.
   *
   * @param isDefault of a column that the statement names by its table: who compares what was written asks for these. */
  within(through: string, statements: () => readonly Node[], isDefault = false): Query | undefined {
    if (this.#depth >= maxDepth) {
      this.findings.act('not understood', `${through}: it leads to ever more`);
      return undefined;
    }
    const walk = new Walk(this.options, this.#depth + 1);
    walk.planningOnly = this.planningOnly;
    let query: Query | undefined;
    try {
      for (const statement of statements()) query = walk.options.translate(walk, statement);
    } catch (error) {
      walk.findings.act('not understood', String(error));
    }
    if (walk.missing) this.missing = true;
    this.findings.include(walk.findings, through, { onlyPlanned: this.planningOnly, isDefault });
    return query;
  }

  /** A call of a function by its name, wherever it stands. */
  call(name: string, schema: string | undefined, argumentCount: number): CallFacts {
    const candidates = this.#candidates(name, schema);
    if (candidates === undefined) return callFacts(name, [], argumentCount);
    if (candidates.length === 0)
      this.findings.act('not understood', `there is no function ${name}`);
    for (const fact of candidates) this.#note(fact);
    return callFacts(name, candidates, argumentCount);
  }

  /** An operator: what a user's own calls; those of an extension in C that are immutable are taken at their author's word. */
  operator(name: string): void {
    for (const [schema, called] of this.options.catalogue.general?.operators.get(name) ?? [])
      this.behind(called, schema);
  }

  /** A function that nothing in the text calls by name: behind an operator, a cast, an aggregate. */
  behind(name: string, schema: string): void {
    for (const fact of this.#candidates(name, schema) ?? []) {
      const trusted = fact.ofExtension && fact.language === 'c' && fact.volatility === 'i';
      if (!trusted) this.#note(fact);
    }
  }

  /** `t.f` and `(t).f`: a column, or a call of a function of one row. */
  field(name: string): void {
    for (const [schema] of this.options.catalogue.general?.fields.get(name) ?? [])
      this.behind(name, schema);
  }

  /** A type by name: a domain's checks run wherever a value becomes one. */
  type(name: string): void {
    for (const [schema, called] of this.options.catalogue.general?.castsTo.get(name) ?? [])
      this.behind(called, schema);
    if (plainTypes.has(name)) return;
    const fact = this.options.catalogue.type(name);
    if (fact === undefined) this.missing = true;
    for (const check of fact?.checks ?? []) this.inside(`type ${name}`, `select ${check}`);
  }

  /** What a column of a type is filled with that has no default of its own. */
  filled(name: string): void {
    if (plainTypes.has(name)) return;
    for (const fill of this.options.catalogue.type(name)?.fills ?? [])
      this.inside(`type ${name}`, `select ${fill}`);
  }

  /** The event triggers that a change of the schema may fire. */
  firesEventTriggers(): void {
    for (const { name, schema, ...trigger } of this.options.catalogue.general?.eventTriggers ??
      []) {
      const through = `event trigger ${name}`;
      this.findings.act('calls a function that acts', through, true);
      this.findings.runsCode(trigger.version);
      this.behind(trigger.function, schema);
    }
  }

  /** A table or view by name; undefined: not known yet, or not at all. */
  relation(name: string, schema: string | undefined): RelationFact | undefined {
    const fact = this.options.catalogue.relation(schema, name);
    if (fact === undefined) this.missing = true;
    else if (fact === null) this.findings.act('not understood', `there is no table ${name}`);
    return fact ?? undefined;
  }

  #candidates(name: string, schema: string | undefined): readonly FunctionFact[] | undefined {
    const known = this.options.catalogue.functions(name);
    if (known === undefined) this.missing = true;
    return known?.filter((each) => schema === undefined || each.schema === schema);
  }

  #note(fact: FunctionFact): void {
    if (fact.builtin) {
      if (!this.planningOnly) noteBuiltin(fact.name, fact.volatility === 'v', this.findings);
      return;
    }
    if (isPure(fact, this.options.pure) || (this.planningOnly && fact.volatility === 'v')) return;
    const through = `${fact.schema}.${fact.name}`;
    this.findings.runsCode(fact.version);
    const inside = insideOf(fact);
    // Its names may mean others than they mean here.
    if (fact.configured) this.findings.lasts(`${through} has settings of its own`);
    switch (inside.type) {
      case 'sql':
        this.#definition(through, inside.definition);
        break;
      case 'plpgsql':
        this.#procedure(through, inside.definition);
        break;
      case 'parts':
        for (const [schema, name] of inside.parts) this.behind(name, schema);
        break;
      case 'opaque':
        this.#opaque(through, fact.language);
        // What comes with an extension leaves the session alone, as far as anybody has seen.
        if (!fact.ofExtension) this.findings.runsOpaqueCode();
    }
  }

  /** A DO, which runs what stands in it. */
  block(fields: Node): void {
    const { body, language } = blockOf(fields);
    if (language === 'plpgsql') {
      this.#procedure('Do', definitionOfBlock(body));
      return;
    }
    this.#opaque('Do', language);
    this.findings.runsOpaqueCode();
  }

  #opaque(through: string, language: string): void {
    this.findings.act(
      'calls a function that acts',
      `${through}, in ${language}, which can't be looked into`,
    );
  }

  /** A body in PL/pgSQL: what its statements and expressions do. */
  #procedure(through: string, definition: string): void {
    let body: ProceduralBody;
    try {
      body = proceduralBody(this.options.parser, definition);
    } catch (error) {
      this.#opaque(`${through} (${String(error)})`.slice(0, 200), 'plpgsql');
      this.findings.runsOpaqueCode();
      return;
    }
    if (body.dynamic) {
      this.#opaque(`${through}, by EXECUTE`, 'plpgsql');
      this.findings.runsOpaqueCode();
    }
    if (body.controls)
      this.findings.act('calls a function that acts', `${through}: it ends transactions`);
    const planningOnly = this.planningOnly;
    this.planningOnly = false;
    this.within(through, () => body.statements);
    this.planningOnly = planningOnly;
  }

  /** The body of a function in SQL, and the defaults of its arguments. What it is for the optimiser, it is not for us: it may lie. */
  #definition(through: string, definition: string): void {
    const planningOnly = this.planningOnly;
    this.planningOnly = false;
    this.within(through, () => {
      const [first] = this.options.parser.parseSync(definition).stmts ?? [];
      const { fields } = unwrap(first?.stmt ?? {});
      return functionStatements(fields, this.options.parser);
    });
    this.planningOnly = planningOnly;
  }
}

function functionStatements(fields: Node, parser: PostgresParser): readonly Node[] {
  const bodies = nodes(fields['options']).flatMap((option) => {
    const { fields: element } = unwrap(option);
    if (text(element['defname']) !== 'as') return [];
    const { fields: list } = unwrap((element['arg'] as Node | undefined) ?? {});
    const [source] = nodes(list['items']);
    const sql = text(unwrap(source ?? {}).fields['sval']) ?? '';
    return statementsOf(parser, sql);
  });
  const atomic = fields['sql_body'] === undefined ? [] : [fields['sql_body'] as Node];
  const statements = atomic.flatMap(function flatten(each): readonly Node[] {
    const { type, fields: inner } = unwrap(each);
    if (type === 'List') return nodes(inner['items']).flatMap(flatten);
    // RETURN expression is a query of one row.
    if (type === 'ReturnStmt') return [selectOf(inner['returnval'] as Node)];
    return [each];
  });
  const defaults = nodes(fields['parameters']).flatMap((parameter) => {
    const value = unwrap(parameter).fields['defexpr'] as Node | undefined;
    return value === undefined ? [] : [selectOf(value)];
  });
  return [...defaults, ...bodies, ...statements];
}
