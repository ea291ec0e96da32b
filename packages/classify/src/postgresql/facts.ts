/** One of the functions that a name may mean. */
export interface FunctionFact {
  readonly name: string;
  readonly schema: string;
  readonly volatility: 'v' | 's' | 'i';
  readonly language: string;
  /** `f` function, `p` procedure, `a` aggregate, `w` window function. */
  readonly kind: string;
  readonly returnsSet: boolean;
  readonly result: string;
  /** Made by `initdb`, not by a user. */
  readonly builtin: boolean;
  readonly ofExtension: boolean;
  /** It runs with settings of its own (`SET search_path = …`). */
  readonly configured: boolean;
  /** See `functionVersion`. */
  readonly version: string;
  /** `CREATE FUNCTION …` of one in SQL or PL/pgSQL. */
  readonly definition: string | null;
  /** The functions that an aggregate calls, as `[schema, name]`. */
  readonly parts: readonly (readonly [string, string])[];
}

/** A table, view, sequence or foreign table. */
export interface RelationFact {
  readonly kind: string;
  readonly schema: string;
  readonly builtin: boolean;
  readonly temporary: boolean;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly keys: readonly (readonly string[])[];
  readonly view: string | null;
  /** What reading it evaluates: the conditions of its row-level security. */
  readonly policies: readonly string[];
  readonly foreign: boolean;
}

/** What holds whatever a statement says: calls without a call in the syntax tree. */
export interface GeneralFacts {
  /** Functions behind operators that a user made, by the operator's name. */
  readonly operators: ReadonlyMap<string, readonly (readonly [string, string])[]>;
  /** Functions behind explicit casts that a user made, by the type's name. */
  readonly castsTo: ReadonlyMap<string, readonly (readonly [string, string])[]>;
  /** Functions behind casts of a user that need no call: implicit ones, ones on assignment, ones that `to_json` looks for. */
  readonly casts: readonly (readonly [string, string])[];
  /** Functions of one composite argument, by name: `t.f` may call them. */
  readonly fields: ReadonlyMap<string, readonly (readonly [string, string])[]>;
  /** Triggers of what changes the schema, whatever it changes. */
  readonly eventTriggers: readonly EventTriggerFact[];
}

/** A trigger that statements fire which change the schema, and the function that it calls. */
export interface EventTriggerFact {
  readonly name: string;
  readonly schema: string;
  readonly function: string;
  /** See `eventTriggerVersion`. */
  readonly version: string;
}

/** What making a value of a type runs. */
export interface TypeFact {
  /** The checks of a domain, or of those inside a composite type. */
  readonly checks: readonly string[];
  /** What a column of the type is filled with that has no default of its own. */
  readonly fills: readonly string[];
}

/** One thing that the server evaluates, or runs, when rows of a table are written. */
export interface WriteFact {
  /** The table that it belongs to, which a write may reach by a view, a partition, a foreign key. */
  readonly table: string;
  /** Whether it is the one that the statement names. */
  readonly named: boolean;
  readonly kind:
    | 'default'
    | 'type default'
    | 'generated'
    | 'check'
    | 'index'
    | 'partition key'
    | 'type'
    | 'trigger'
    | 'rule';
  /** The column, the trigger or the rule. */
  readonly name: string;
  /** An expression, a type's name, the definition of a trigger or of a rule. */
  readonly sql: string | null;
  /** Of a trigger: see `triggerVersion`. */
  readonly version?: string | null;
}
