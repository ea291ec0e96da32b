import type { Cause } from '../statement.ts';

// A query as far as it matters to what its answer determines. PostgreSQL's and DuckDB's syntax trees are translated to it, so
// that the rules are written once.

/** An expression. `causes` are the engine's own: the clock, a random source. */
export type Expression =
  /** A column by its path as written (`t.a` is `['t', 'a']`). */
  | { readonly type: 'column'; readonly path: readonly string[] }
  | {
      readonly type: 'star';
      readonly of: string | undefined;
      readonly without?: readonly string[];
      /** Which columns it stands for can't be told (`COLUMNS('a.*')`). */
      readonly open?: boolean;
      readonly replaced?: readonly Expression[];
    }
  | { readonly type: 'constant'; readonly value?: number | string }
  | { readonly type: 'equals'; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'and'; readonly children: readonly Expression[] }
  | { readonly type: 'subquery'; readonly query: Query; readonly children: readonly Expression[] }
  /** `tells`: see {@link toldBy}. */
  | Call
  | {
      readonly type: 'other';
      readonly children: readonly Expression[];
      readonly causes?: readonly Cause[];
      /** Its value is a floating-point number whatever its children are. */
      readonly float?: boolean;
      readonly tells?: Expression | undefined;
    };

/** A function call. */
export interface Call {
  readonly type: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
  /** ORDER BY inside the call. */
  readonly order: readonly Expression[];
  readonly filter: readonly Expression[];
  readonly window: Window | undefined;
  readonly causes: readonly Cause[];
  readonly aggregate: boolean;
  /** Gives any number of rows where it stands in a select list. */
  readonly returnsSet: boolean;
  /**
   * `rounding`: adds up its arguments, if they are floating-point numbers, or (`always rounding`) as such numbers whatever they are;
   * `order`: depends on the order of its rows; `position`: a window function that depends on the place of its row among equals.
   */
  readonly sensitive: 'rounding' | 'always rounding' | 'order' | 'position' | undefined;
  /** Whether its result may be a floating-point number: as its arguments are, or in any case. */
  readonly float: 'as arguments' | 'always' | 'never';
  readonly tells?: Expression | undefined;
}

/** OVER (…). */
export interface Window {
  /** A window of the WINDOW clause that it refers to. */
  readonly name: string | undefined;
  readonly partition: readonly Expression[];
  readonly order: readonly Expression[];
  /** Its frame counts rows and not peers. */
  readonly byRows: boolean;
  readonly children: readonly Expression[];
}

/** A table or view with what the catalogue knows of it. */
export interface Relation {
  readonly name: string;
  /** Undefined: not known. */
  readonly columns:
    | readonly {
        readonly name: string;
        readonly float: boolean;
        /** A whole number of a size that arithmetic keeps or fails at. Default: it may be anything. */
        readonly whole?: boolean;
      }[]
    | undefined;
  /** Sets of columns that no two rows share, none of them NULL. */
  readonly keys: readonly (readonly string[])[];
  readonly view: Query | undefined;
  /** Of which rows it shows. */
  readonly causes: readonly Cause[];
}

/** What stands in FROM. */
export type Source =
  | {
      readonly type: 'relation';
      readonly relation: Relation;
      readonly alias: string;
      readonly names?: readonly string[];
      readonly sampled: boolean;
    }
  | {
      readonly type: 'cte';
      readonly name: string;
      readonly alias: string;
      readonly names?: readonly string[];
    }
  | {
      readonly type: 'query';
      readonly query: Query;
      readonly alias: string;
      readonly names?: readonly string[];
      readonly sampled: boolean;
    }
  | {
      readonly type: 'function';
      readonly calls: readonly Expression[];
      readonly alias: string;
      /** Undefined: how many columns it has is not known. */
      readonly names: readonly string[] | undefined;
    }
  | {
      readonly type: 'join';
      readonly kind: 'inner' | 'left' | 'right' | 'full';
      readonly left: Source;
      readonly right: Source;
      readonly on: readonly Expression[];
      readonly using: readonly string[] | 'natural';
      readonly alias?: string;
    };

/** SELECT … FROM … without its order and limit. */
export interface Select {
  readonly type: 'select';
  readonly items: readonly { readonly expression: Expression; readonly name: string | undefined }[];
  readonly from: readonly Source[];
  readonly where: readonly Expression[];
  /** GROUP BY; `all`: by every item that is no aggregate; undefined: none. */
  readonly group: readonly Expression[] | 'all' | undefined;
  readonly groupingSets: boolean;
  /** HAVING and QUALIFY. */
  readonly having: readonly Expression[];
  readonly distinct: boolean;
  readonly distinctOn: readonly Expression[];
  readonly windows: ReadonlyMap<string, Window>;
}

/** UNION, INTERSECT, EXCEPT; `all`: without removing duplicates. */
export interface SetOperation {
  readonly type: 'set';
  readonly all: boolean;
  readonly left: Query;
  readonly right: Query;
}

/** VALUES. */
export interface Values {
  readonly type: 'values';
  readonly rows: readonly (readonly Expression[])[];
}

/** A common table expression. */
export interface CommonTable {
  readonly name: string;
  readonly names: readonly string[] | undefined;
  readonly recursive: boolean;
  readonly query: Query;
}

/** A query with all that may stand around it. */
export interface Query {
  readonly ctes: readonly CommonTable[];
  readonly body: Select | SetOperation | Values;
  /** `all`: by every output column. */
  readonly order: readonly Expression[] | 'all';
  /** The expressions of LIMIT and OFFSET; undefined: none. */
  readonly limit: readonly Expression[] | undefined;
  /** FETCH … WITH TIES: what it keeps is determined by any order. */
  readonly withTies: boolean;
  /** USING SAMPLE without a seed. */
  readonly sampled: boolean;
}

/**
 * The operand whose value an operation's tells, where it is a whole number: with a constant added, taken away or multiplied, no two numbers
 * give the same. What is too large for its type fails, on PostgreSQL and on DuckDB, and is not rounded.
 *
 * @param operands one, or two.
 */
export function toldBy(operator: string, operands: readonly Expression[]): Expression | undefined {
  const [first, second, ...more] = operands;
  if (first === undefined || more.length > 0) return undefined;
  if (second === undefined) return operator === '-' || operator === '+' ? first : undefined;
  const constants = operands.filter(
    (each) => each.type === 'constant' && Number.isInteger(each.value),
  );
  const [constant] = constants;
  if (constants.length !== 1 || constant?.type !== 'constant') return undefined;
  const keeps =
    operator === '+' || operator === '-' || (operator === '*' && Number(constant.value) !== 0);
  return keeps ? operands.find((each) => each !== constant) : undefined;
}
