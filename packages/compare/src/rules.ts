import type { ColumnRules } from './column-rules.ts';
import { sameJson, withinTime, withinTolerance } from './loose-values.ts';
import { sameValue } from './row-hasher.ts';

/** Where a rule holds. Default: everywhere. */
interface RuleScope {
  readonly operation?: string | undefined;
  readonly dataset?: string | undefined;
  /** Why the two legs may rightly differ here, for the report. */
  readonly reason?: string | undefined;
}

/** Where legacy and pooled may rightly differ. All but `comparator` can be given as JSON, in a flag's payload. */
export type ComparisonRule = RuleScope &
  (
    | { readonly kind: 'ignore-column'; readonly column: string }
    /** Numbers no further apart than `absolute`, or than `relative` times the greater of the two. */
    | {
        readonly kind: 'tolerance';
        readonly column: string;
        readonly absolute?: number | undefined;
        readonly relative?: number | undefined;
      }
    /** Times (`Date`, or text as `2026-01-31 12:00:00.123456+00`) no further apart than this. */
    | { readonly kind: 'time-tolerance'; readonly column: string; readonly withinMs: number }
    /** JSON texts of one value: white space, the order of keys and the way a number is written don't count. */
    | { readonly kind: 'json'; readonly column: string }
    | { readonly kind: 'order-free' }
    /** The user's own. One that throws has not found the values to be the same. */
    | {
        readonly kind: 'comparator';
        readonly column: string;
        same(legacy: unknown, pooled: unknown): boolean;
      }
  );

/** How often a rule mattered. */
export interface RuleUse {
  readonly rule: ComparisonRule;
  /** Comparisons in which it came to bear: the column was there to ignore, or two values differed and it let them
   * pass. */
  readonly uses: number;
  /** Comparisons in which a comparator threw. */
  readonly failures: number;
  /** Never used: it may be left over, or misspelt. */
  readonly dead: boolean;
}

/** The rules as one comparison sees them. */
export interface CallRules extends ColumnRules {
  /** Says so whether the operation promises the order of rows or not. */
  readonly orderFree: boolean;
  /** To be called where two results differed in nothing but order, and a rule let that pass. */
  usedOrderFree(): void;
}

/** Rules kept in one book. */
const maxRules = 1_000;

interface Entry {
  readonly rule: ComparisonRule;
  uses: number;
  failures: number;
}

/** The rules in force, with their uses counted. */
export class RuleBook {
  readonly #entries: readonly Entry[];

  /** @throws as {@link parseRules}, a comparator being allowed. */
  constructor(rules: readonly ComparisonRule[] = []) {
    this.#entries = checkAll(rules, true).map((rule) => ({ rule, uses: 0, failures: 0 }));
  }

  /** The rules that hold for one comparison. Ask anew for each, since a rule is counted once a comparison. */
  for(operation: string, dataset: string | undefined): CallRules {
    return new RulesOfCall(this.#entries.filter(({ rule }) => holds(rule, operation, dataset)));
  }

  /** Whether any rule holds there. */
  has(operation: string, dataset: string | undefined): boolean {
    return this.#entries.some(({ rule }) => holds(rule, operation, dataset));
  }

  /** Each rule with how often it mattered, in the order given. */
  uses(): readonly RuleUse[] {
    return this.#entries.map(({ rule, uses, failures }) => ({
      rule,
      uses,
      failures,
      dead: uses === 0,
    }));
  }
}

/** A rule that held nowhere for a capital letter would raise the alarm that it was written against. */
function holds(rule: ComparisonRule, operation: string, dataset: string | undefined): boolean {
  return (
    (rule.operation ?? operation) === operation &&
    (rule.dataset === undefined || rule.dataset.toLowerCase() === dataset?.toLowerCase())
  );
}

class RulesOfCall implements CallRules {
  readonly #counted = new Set<Entry>();
  readonly #failed = new Set<Entry>();
  readonly #ignored = new Map<string, Entry>();
  readonly #loose = new Map<string, Entry[]>();
  readonly #orderFree: Entry | undefined;

  constructor(entries: readonly Entry[]) {
    this.#orderFree = entries.find(({ rule }) => rule.kind === 'order-free');
    for (const entry of entries) {
      const { rule } = entry;
      if (rule.kind === 'order-free') continue;
      if (rule.kind === 'ignore-column') this.#ignored.set(rule.column, entry);
      else this.#loose.set(rule.column, [...(this.#loose.get(rule.column) ?? []), entry]);
    }
  }

  get orderFree(): boolean {
    return this.#orderFree !== undefined;
  }

  usedOrderFree(): void {
    if (this.#orderFree !== undefined) this.#count(this.#orderFree);
  }

  ignores(column: string): boolean {
    const entry = this.#ignored.get(column);
    if (entry === undefined) return false;
    this.#count(entry);
    return true;
  }

  loosens(column: string): boolean {
    return this.#loose.has(column);
  }

  same(column: string, legacy: unknown, pooled: unknown): boolean {
    if (sameValue(legacy, pooled)) return true;
    const entry = this.#loose
      .get(column)
      ?.find((candidate) => this.#lets(candidate, legacy, pooled));
    if (entry === undefined) return false;
    this.#count(entry);
    return true;
  }

  #lets(entry: Entry, legacy: unknown, pooled: unknown): boolean {
    const { rule } = entry;
    switch (rule.kind) {
      case 'tolerance':
        return withinTolerance(legacy, pooled, rule.absolute ?? 0, rule.relative ?? 0);
      case 'time-tolerance':
        return withinTime(legacy, pooled, rule.withinMs);
      case 'json':
        return sameJson(legacy, pooled);
      case 'comparator':
        try {
          return rule.same(legacy, pooled);
        } catch {
          if (!this.#failed.has(entry)) entry.failures += 1;
          this.#failed.add(entry);
          return false;
        }
      case 'ignore-column':
      case 'order-free':
        return false;
    }
  }

  #count(entry: Entry): void {
    if (this.#counted.has(entry)) return;
    this.#counted.add(entry);
    entry.uses += 1;
  }
}

/**
 * Checks rules that came as JSON.
 *
 * @throws {TypeError} for what is no list of rules: an unknown kind or key, or a field of the wrong type.
 * @throws {RangeError} for a number that makes no sense, or too many rules.
 */
export function parseRules(json: unknown): readonly ComparisonRule[] {
  return checkAll(json, false);
}

const scopeKeys: readonly string[] = ['kind', 'operation', 'dataset', 'reason'];
const ownKeys: Readonly<Record<ComparisonRule['kind'], readonly string[]>> = {
  'ignore-column': ['column'],
  tolerance: ['column', 'absolute', 'relative'],
  'time-tolerance': ['column', 'withinMs'],
  json: ['column'],
  'order-free': [],
  comparator: ['column', 'same'],
};

function checkAll(rules: unknown, code: boolean): readonly ComparisonRule[] {
  if (!Array.isArray(rules)) throw new TypeError('rules must be a list');
  if (rules.length > maxRules) {
    throw new RangeError(`${String(rules.length)} rules are too many: ${String(maxRules)} at most`);
  }
  return Object.freeze(
    rules.map((rule: unknown, at) => check(rule, `rule ${String(at + 1)}`, code)),
  );
}

function check(rule: unknown, position: string, code: boolean): ComparisonRule {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) {
    throw new TypeError(`${position} must be an object`);
  }
  const fields = rule as Readonly<Record<string, unknown>>;
  const kind = kindOf(fields['kind'], position, code);
  const name = `${position} (${kind})`;
  const known = [...scopeKeys, ...ownKeys[kind]];
  const unknown = Object.keys(fields).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(
      `${name} has the unknown key ${JSON.stringify(unknown)}; known: ${known.join(', ')}`,
    );
  }
  for (const key of ['operation', 'dataset', 'reason'])
    checkText(fields[key] ?? '', `${name}: ${key}`);
  if (ownKeys[kind].includes('column')) checkText(fields['column'], `${name}: column`);
  if (kind === 'comparator' && typeof fields['same'] !== 'function') {
    throw new TypeError(`${name}: same must be a function`);
  }
  for (const key of ['absolute', 'relative', 'withinMs'])
    checkNumber(fields[key], `${name}: ${key}`);
  if (kind === 'time-tolerance' && fields['withinMs'] === undefined) {
    throw new TypeError(`${name}: withinMs is missing`);
  }
  if (
    kind === 'tolerance' &&
    fields['absolute'] === undefined &&
    fields['relative'] === undefined
  ) {
    throw new TypeError(`${name}: give absolute, relative or both`);
  }
  return Object.freeze({ ...fields }) as unknown as ComparisonRule;
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be text`);
}

function kindOf(kind: unknown, name: string, code: boolean): ComparisonRule['kind'] {
  const known = (Object.keys(ownKeys) as ComparisonRule['kind'][]).filter(
    (one) => code || one !== 'comparator',
  );
  const found = known.find((one) => one === kind);
  if (found === undefined) throw new TypeError(`${name}: kind must be one of ${known.join(', ')}`);
  return found;
}

function checkNumber(value: unknown, name: string): void {
  if (value === undefined) return;
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
  if (!(value >= 0 && value < Infinity)) {
    throw new RangeError(`${name} must be 0 or more and finite, not ${String(value)}`);
  }
}
