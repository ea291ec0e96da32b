import type { Query } from '../query/query.ts';
import type { ActKind, SessionUse, TransactionControl } from '../statement.ts';
import { namesOf, node, nodes, type Node, text, unwrap } from './parser.ts';
import { expression, typeName } from './translate-expression.ts';
import { commonTables, relation, translateSelect } from './translate-query.ts';
import type { Walk } from './walk.ts';
import { noteWriteEffects } from './write-effects.ts';

/** What a statement type does whatever stands in it. */
interface Utility {
  readonly kind: ActKind;
  readonly session?: SessionUse;
  /** A rollback takes it back. Default: by its kind. */
  readonly isUndone?: true;
}

const utilities: Readonly<Record<string, Utility>> = {
  CheckPointStmt: { kind: 'maintains the database' },
  ClosePortalStmt: { kind: 'sets the session', session: 'sets' },
  ClusterStmt: { kind: 'maintains the database' },
  CopyStmt: { kind: 'reaches outside the database' },
  DeallocateStmt: { kind: 'sets the session', session: 'sets' },
  DeclareCursorStmt: { kind: 'sets the session', session: 'sets' },
  DiscardStmt: { kind: 'sets the session', session: 'sets' },
  ExecuteStmt: { kind: 'not understood', session: 'reads' },
  FetchStmt: { kind: 'sets the session', session: 'sets' },
  ListenStmt: { kind: 'sets the session', session: 'sets' },
  LoadStmt: { kind: 'sets the session', session: 'sets' },
  LockStmt: { kind: 'locks rows' },
  NotifyStmt: { kind: 'reaches outside the database', isUndone: true },
  PrepareStmt: { kind: 'sets the session', session: 'sets' },
  ReindexStmt: { kind: 'maintains the database' },
  TruncateStmt: { kind: 'writes rows' },
  UnlistenStmt: { kind: 'sets the session', session: 'sets' },
  VacuumStmt: { kind: 'maintains the database' },
};

const transactions: Readonly<Record<string, TransactionControl>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release',
  TRANS_STMT_ROLLBACK_TO: 'rollback to',
};

/** A statement of any type. Its query, if it answers with one's rows. */
export function translateStatement(walk: Walk, wrapped: Node): Query | undefined {
  const { type, fields } = unwrap(wrapped);
  switch (type) {
    case 'SelectStmt':
      return translateSelect(walk, fields);
    case 'ExplainStmt':
      explain(walk, fields);
      return undefined;
    case 'VariableShowStmt':
      walk.findings.uses('reads');
      return undefined;
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      write(walk, type, fields);
      return undefined;
    case 'TransactionStmt': {
      const kind = text(fields['kind']) ?? '';
      walk.findings.act('controls a transaction', kind.replace('TRANS_STMT_', ''));
      walk.findings.transaction = transactions[kind] ?? 'two-phase';
      return undefined;
    }
    case 'VariableSetStmt':
      set(walk, fields);
      return undefined;
    case 'DoStmt':
      walk.findings.act('calls a function that acts', 'Do');
      walk.block(fields);
      return undefined;
    case 'CallStmt':
      walk.findings.act('calls a function that acts', 'Call');
      expression(walk, { FuncCall: fields['funccall'] });
      return undefined;
    case 'ConstraintsSetStmt':
      walk.findings.act('controls a transaction', 'SET CONSTRAINTS');
      walk.findings.transaction = 'settings';
      return undefined;
    default:
      utility(walk, type, fields);
      return undefined;
  }
}

function set(walk: Walk, fields: Node): void {
  const name = text(fields['name']) ?? 'all settings';
  if (fields['is_local'] === true || name === 'TRANSACTION') {
    walk.findings.act('controls a transaction', `SET LOCAL ${name}`);
    walk.findings.transaction = 'settings';
    return;
  }
  walk.findings.act('sets the session', `SET ${name}`);
  walk.findings.uses('sets');
}

function write(walk: Walk, type: string, fields: Node): void {
  const target = node(fields['relation']) ?? {};
  const name = text(target['relname']) ?? '';
  const schema = text(target['schemaname']);
  walk.findings.act('writes rows', name);
  const returning = node(fields['returningClause']) ?? fields['returningList'];
  if (returning !== undefined) walk.findings.act('returns rows of a write', name);
  walk.commonTables.push([]);
  commonTables(walk, node(fields['withClause']));
  // For what reading it involves; that it is written is said below.
  relation(walk, name, schema);
  walk.findings.table(name, schema, true);
  noteWriteEffects(walk, type, fields, name, schema);
  const rest = Object.entries(fields).filter(
    ([key]) => key !== 'relation' && key !== 'withClause' && key !== 'selectStmt',
  );
  expression(walk, { Write: Object.fromEntries(rest) });
  const select = node(fields['selectStmt']);
  if (select !== undefined) translateStatement(walk, select);
  walk.commonTables.pop();
}

function explain(walk: Walk, fields: Node): void {
  const inner = node(fields['query']) ?? {};
  if (explainRuns(fields)) {
    translateStatement(walk, inner);
    return;
  }
  const { type } = unwrap(inner);
  if (type === 'ExecuteStmt') walk.findings.uses('reads');
  const planning = walk.planningOnly;
  walk.planningOnly = true;
  const query = unwrap(inner).fields;
  // CREATE TABLE AS and DECLARE hold the query that is planned.
  walk.within('EXPLAIN', () => [node(query['query']) ?? inner]);
  walk.planningOnly = planning;
}

/** Whether EXPLAIN runs what it explains, by its options as PostgreSQL reads them: the last ANALYZE counts, and its value may be a word or a number. */
export function explainRuns(fields: Node): boolean {
  const analyze = nodes(fields['options'])
    .map((each) => unwrap(each).fields)
    .filter((option) => text(option['defname'])?.toLowerCase() === 'analyze')
    .at(-1);
  if (analyze === undefined) return false;
  const { type, fields: value } = unwrap(node(analyze['arg']) ?? {});
  if (type === 'Boolean') return value['boolval'] !== false && Object.keys(value).length > 0;
  if (type === 'Integer') return Number(value['ival'] ?? 0) !== 0;
  return !/^(off|false|0)$/i.test(text(value['sval']) ?? 'on');
}

/** What changes the schema and evaluates expressions by the way, of rows that are there or that it makes. */
const evaluating: ReadonlySet<string> = new Set([
  'AlterDomainStmt',
  'AlterTableStmt',
  'CreateTableAsStmt',
  'IndexStmt',
  'RefreshMatViewStmt',
]);

function evaluate(walk: Walk, type: string, fields: Node): void {
  const query = node(fields['query']);
  if (query !== undefined) {
    translateStatement(walk, query);
    return;
  }
  expression(walk, { Schema: fields });
  const target = node(fields['relation']);
  const name = text(target?.['relname']);
  const schema = text(target?.['schemaname']);
  if (type === 'AlterDomainStmt') typeName(walk, { names: fields['typeName'] });
  if (name === undefined) return;
  if (type === 'RefreshMatViewStmt') relation(walk, name, schema);
  // Rows that are there may be written anew, or looked at.
  if (type === 'AlterTableStmt') {
    noteWriteEffects(walk, type, fields, name, schema);
    for (const column of columnsAdded(fields)) walk.filled(column);
  }
}

/** The names of the types of columns that ALTER TABLE adds. */
function columnsAdded({ cmds }: Node): string[] {
  return nodes(cmds).flatMap((each) => {
    const { subtype, def } = unwrap(each).fields;
    const column = unwrap(node(def) ?? {}).fields;
    const name = namesOf(node(column['typeName'])?.['names']).at(-1);
    return subtype !== 'AT_AddColumn' || name === undefined ? [] : [name];
  });
}

function utility(walk: Walk, type: string, fields: Node): void {
  const known = utilities[type];
  const name = type.replace(/Stmt$/, '');
  walk.findings.act(known?.kind ?? 'changes the schema', name, known?.isUndone);
  if (known?.session !== undefined) walk.findings.uses(known.session);
  if (known === undefined) {
    walk.firesEventTriggers();
    if (evaluating.has(type)) evaluate(walk, type, fields);
  }
  for (const found of relations(fields)) {
    const relationName = text(found['relname']) ?? '';
    const schema = text(found['schemaname']);
    walk.findings.table(relationName, schema, true);
    if (type === 'TruncateStmt') noteWriteEffects(walk, type, fields, relationName, schema);
    const temporary = found['relpersistence'] === 't' || schema === 'pg_temp';
    if (!temporary) continue;
    walk.findings.uses('temporary');
    const isView = type === 'ViewStmt';
    walk.options.temporary.add(relationName, isView ? node(fields['query']) : undefined);
  }
}

/** Every table that stands anywhere in a statement that is not walked. */
function relations(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(relations);
  const fields = node(value);
  if (fields === undefined) return [];
  const own = typeof fields['relname'] === 'string' ? [fields] : [];
  return [...own, ...Object.values(fields).flatMap(relations)];
}
