import type { FunctionFact, GeneralFacts, RelationFact, TypeFact, WriteFact } from './facts.ts';
import type { PostgresQuery } from './queries.ts';
import {
  functionsQuery,
  generalQuery,
  relationsQuery,
  typesQuery,
  writesQuery,
} from './queries.ts';

/** A fact that is not there yet. */
type Missing = undefined;

/** A name as SQL writes it for sure. */
function quoted(schema: string | undefined, name: string): string {
  const parts = schema === undefined ? [name] : [schema, name];
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

/** What was fetched of a database's catalogue, by name, and what is still missing. */
export class Catalogue {
  readonly #query: PostgresQuery;
  readonly #functions = new Map<string, readonly FunctionFact[]>();
  readonly #relations = new Map<string, RelationFact | null>();
  readonly #types = new Map<string, TypeFact>();
  readonly #writes = new Map<string, readonly WriteFact[]>();
  readonly #missing = {
    functions: new Set<string>(),
    relations: new Set<string>(),
    types: new Set<string>(),
    writes: new Set<string>(),
  };
  #general: GeneralFacts | undefined;

  constructor(query: PostgresQuery) {
    this.#query = query;
  }

  /** All functions of a name, in every schema: one in another schema may stand first in some search path. Undefined: missing. */
  functions(name: string): readonly FunctionFact[] | Missing {
    const known = this.#functions.get(name);
    if (known === undefined) this.#missing.functions.add(name);
    return known;
  }

  /** Null: there is none. Undefined: missing. */
  relation(schema: string | undefined, name: string): RelationFact | null | Missing {
    const key = quoted(schema, name);
    const known = this.#relations.get(key);
    if (known === undefined) this.#missing.relations.add(key);
    return known;
  }

  /** What making a value of a type runs. Undefined: missing. */
  type(type: string): TypeFact | Missing {
    const known = this.#types.get(type);
    if (known === undefined) this.#missing.types.add(type);
    return known;
  }

  /** What writing to a table brings with it. Undefined: missing. */
  writeFacts(schema: string | undefined, name: string): readonly WriteFact[] | Missing {
    const key = quoted(schema, name);
    const known = this.#writes.get(key);
    if (known === undefined) this.#missing.writes.add(key);
    return known;
  }

  get general(): GeneralFacts | Missing {
    return this.#general;
  }

  /** Fetches what was asked for and is missing. */
  async fetch(): Promise<void> {
    this.#general ??= await generalQuery(this.#query);
    const taken = (set: Set<string>): string[] => {
      const names = [...set];
      set.clear();
      return names;
    };
    const functions = taken(this.#missing.functions);
    if (functions.length > 0) {
      const found = await functionsQuery(this.#query, functions);
      for (const name of functions) this.#functions.set(name, found.get(name) ?? []);
    }
    const relations = taken(this.#missing.relations);
    if (relations.length > 0) {
      const found = await relationsQuery(this.#query, relations);
      for (const name of relations) this.#relations.set(name, found.get(name) ?? null);
    }
    const types = taken(this.#missing.types);
    if (types.length > 0) {
      const found = await typesQuery(this.#query, types);
      for (const name of types) this.#types.set(name, found.get(name) ?? { checks: [], fills: [] });
    }
    const writes = taken(this.#missing.writes);
    if (writes.length > 0) {
      const found = await writesQuery(this.#query, writes);
      for (const name of writes) this.#writes.set(name, found.get(name) ?? []);
    }
  }
}
