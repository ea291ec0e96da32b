import { type Node, nodes, selectOf, statementsOf, text, unwrap } from './parser.ts';
import type { Walk } from './walk.ts';

/**
 * What writing rows brings with it, wherever it stands in the catalogue: defaults of columns and domains, generated columns, checks,
 * indexes over expressions, triggers and rules; of the table itself, of what a view stands for, of partitions, and of the tables that a
 * foreign key changes along.
 */
export function noteWriteEffects(
  walk: Walk,
  type: string,
  fields: Node,
  name: string,
  schema: string | undefined,
): void {
  if (walk.planningOnly) return;
  const facts = walk.options.catalogue.writeFacts(schema, name);
  if (facts === undefined) {
    walk.missing = true;
    return;
  }
  const filled = filledColumns(type, fields);
  const fires = type !== 'AlterTableStmt';
  for (const fact of facts) {
    if (!fires && (fact.kind === 'trigger' || fact.kind === 'rule')) continue;
    const of = `${fact.name} of ${fact.table}`;
    switch (fact.kind) {
      case 'trigger':
        walk.findings.act('calls a function that acts', `trigger ${of}`, true);
        walk.findings.runsCode(fact.version ?? '');
        walk.within(`trigger ${of}`, () => triggerCalls(walk, fact.sql ?? ''));
        break;
      case 'rule':
        walk.findings.act('calls a function that acts', `rule ${of}`);
        walk.within(`rule ${of}`, () =>
          statementsOf(walk.options.parser, fact.sql ?? '').flatMap((rule) =>
            nodes(unwrap(rule).fields['actions']),
          ),
        );
        break;
      case 'default':
        if (filled !== 'none' && !(fact.named && filled.has(fact.name)))
          walk.inside(`default ${of}`, `select ${fact.sql ?? 'null'}`, fact.named);
        break;
      case 'type default':
        if (filled !== 'none' && !(fact.named && filled.has(fact.name)))
          walk.inside(`default ${of}`, `select ${fact.sql ?? 'null'}`);
        break;
      case 'type':
        walk.type(fact.sql ?? '');
        break;
      default:
        // The expressions of a partition's key are several, with commas between them.
        walk.inside(`${fact.kind} ${of}`, `select ${fact.sql ?? 'null'}`);
    }
  }
}

/** A trigger's condition and the call of its function, as statements. */
function triggerCalls(walk: Walk, definition: string): readonly Node[] {
  return statementsOf(walk.options.parser, definition).flatMap((statement) => {
    const { funcname, whenClause } = unwrap(statement).fields;
    const call = selectOf({ FuncCall: { funcname } });
    return whenClause === undefined ? [call] : [selectOf(whenClause as Node), call];
  });
}

/** The columns of new rows that the statement gives values for; `none`: it makes no rows, and fills nothing anew. */
function filledColumns(type: string, fields: Node): ReadonlySet<string> | 'none' {
  if (asksForDefaults(fields) || type === 'MergeStmt') return new Set();
  if (type !== 'InsertStmt') return 'none';
  if (fields['selectStmt'] === undefined) return new Set();
  const named = nodes(fields['cols']).flatMap((each) => text(unwrap(each).fields['name']) ?? []);
  return new Set(named);
}

/** DEFAULT in place of a value. */
function asksForDefaults(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(asksForDefaults);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, inner]) => name === 'SetToDefault' || asksForDefaults(inner),
  );
}
