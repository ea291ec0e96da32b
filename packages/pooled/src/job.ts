import { digestResult, digestValue, RowsDigester } from '@changeover/compare';
import type { Digest, Value, WriteEffect } from '@changeover/core';
import type {
  Engine,
  InputRows,
  InputValue,
  LastingEffect,
  WriteTableOptions,
} from '@changeover/engines/api';
import { storageOperations } from '@changeover/engines/api';
import {
  datasetPrograms,
  exportSnapshot,
  inputKeys,
  pagesRead,
  readInTransaction,
  rowsFromCells,
  rowsWritten,
  serializableSql,
  shareSnapshot,
} from '@changeover/engines/sqlite';
import type {
  DatasetPrograms,
  OnPart,
  Program,
  RowForm,
  StepResult,
  SyncSession,
} from '@changeover/engines';
import { filledByDatabase, lastingEffects } from './shadow/lasting-effects.ts';
import { touchedTable } from './shadow/touched-table.ts';

/** The operations that run on a connection. */
export type DatasetOperation = Exclude<keyof DatasetPrograms, 'scratchWrite'>;

/** A transaction that has written, on PostgreSQL. */
export interface WrittenTransaction {
  readonly id: string;
  /** By when it was started, in microseconds since 1970: where a connection leads to may become another server. */
  readonly server: string;
}

const serverSql =
  '(extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8::pg_catalog.text';

/** The transaction that the connection is in; undefined where it has written nothing. */
export function* writtenTransaction(): Program<WrittenTransaction | undefined> {
  const { rows } = yield {
    kind: 'all',
    sql: `SELECT pg_catalog.pg_current_xact_id_if_assigned()::text AS id, ${serverSql} AS server`,
  };
  const { id, server } = rows[0] ?? {};
  return typeof id === 'string' && typeof server === 'string' ? { id, server } : undefined;
}

/** One piece of work for one connection, as plain data: it may have to cross to a worker thread. */
export type Job =
  | {
      readonly kind: 'operation';
      readonly operation: DatasetOperation;
      readonly args: readonly unknown[];
      /** True for the digest of the result in its place. */
      readonly digest?: boolean | undefined;
      /** True for a {@link DigestInState} in its place: of PostgreSQL. */
      readonly withState?: boolean | undefined;
      /** In the result's place what tells of writes to what was read: of SQLite the pages, of PostgreSQL what was written since a mark. */
      readonly evidence?: { readonly mark: string } | undefined;
      /** True inside a caller's transaction. */
      readonly inTransaction?: boolean | undefined;
      /** True inside a caller's session, which has its connection to itself until that is closed. */
      readonly inSession?: boolean | undefined;
      /** True in a transaction that a failure of this must not end, and that keeps nothing of it. */
      readonly inSnapshot?: boolean | undefined;
      /** `keeps`: it leaves something on the connection beyond the transaction, as far as can be told. `last write`: it asks for what
       * the connection's last write left. */
      readonly session?: 'keeps' | 'may keep' | 'last write' | undefined;
      /** True for a write that must not overtake one that was sent before it and is tried again. */
      readonly inLine?: boolean | undefined;
    }
  | {
      readonly kind: 'begin';
      readonly serializable?: boolean | undefined;
      /** It reads, and all of it sees one state. */
      readonly snapshot?: boolean | undefined;
    }
  | { readonly kind: 'commit' | 'rollback' | 'ping' | 'snapshotBounds' }
  | { readonly kind: 'shareSnapshot' | 'exportSnapshot' }
  | { readonly kind: 'commitOutcome'; readonly transaction: WrittenTransaction }
  | {
      readonly kind: 'rehearse';
      readonly args: readonly unknown[];
      readonly maxRows: number;
      readonly lockTimeoutMs: number;
      /** What was told of its lasting effects, none of which forbids it. */
      readonly lasting?: LastingEffect | undefined;
      readonly session?: 'keeps' | 'may keep' | undefined;
    }
  | { readonly kind: 'scratchWrite'; readonly args: readonly unknown[]; readonly maxRows: number };

/** A digest, and the state of the dataset just before what it is of was read. */
export interface DigestInState {
  readonly state: string;
  readonly digest: Digest;
}

/** What a job yields: rows as lists of values, which are cheap to send between threads, or anything else. */
export type JobAnswer =
  | { readonly rows: 'cells'; readonly columns: string[]; readonly cells: Value[][] }
  | { readonly rows: 'objects'; readonly columns: string[]; readonly objects: StepResult['rows'] }
  | { readonly rows: 'none'; readonly value: unknown };

/** What jobs of one dataset are run for. */
export interface JobContext {
  readonly engine: Engine;
  readonly dataset: string;
  /** `cells` where the answer crosses threads. */
  readonly form: RowForm;
  /** For operations with a transaction of their own, in this form. Default: made for each. */
  readonly programs?: DatasetPrograms | undefined;
  /** Takes the rows of a long answer as they are read. Default: they are in the answer. */
  readonly onPart?: OnPart | undefined;
}

const operations: Readonly<Record<DatasetOperation, 'rows' | 'value'>> = {
  readData: 'rows',
  readTable: 'rows',
  query: 'rows',
  writeTable: 'value',
  execute: 'value',
  getTableInfo: 'value',
  getColumns: 'value',
  tableExists: 'value',
  listTables: 'value',
  analyzeColumn: 'value',
  getMetadata: 'value',
  updateMetadata: 'value',
};

/** Whether this is an operation of a dataset; others concern the store. */
export function isDatasetOperation(operation: string): operation is DatasetOperation {
  return Object.hasOwn(operations, operation);
}

/** Whether this is an operation that may change its dataset, and runs as a job. */
export function isDatasetWrite(operation: string): boolean {
  return isDatasetOperation(operation) && storageOperations[operation].kind === 'write';
}

const readingKinds: ReadonlySet<Job['kind']> = new Set<Job['kind']>([
  'ping',
  'snapshotBounds',
  'shareSnapshot',
  'exportSnapshot',
  'scratchWrite',
  'commitOutcome',
]);

/** Whether a job may change the dataset. */
export function isWriting(job: Job): boolean {
  if (job.kind !== 'operation') return !readingKinds.has(job.kind);
  return storageOperations[job.operation].kind === 'write';
}

/** Whether a job must not overtake one that was sent before it on its connection. */
export function isInLine(job: Job): boolean {
  return job.kind === 'operation' && job.inLine === true;
}

/** Whether a job gives something else than its operation's answer. */
export function isForComparison({ digest, evidence }: OperationJob): boolean {
  return digest === true || evidence !== undefined;
}

/** What a job is called in errors and reports. */
export function nameOf(job: Job): string {
  return job.kind === 'operation' ? job.operation : job.kind;
}

/** Whether a job leaves something on its connection that nobody else may find there. */
export function keepsState(job: Job): boolean {
  if (job.kind !== 'operation' && job.kind !== 'rehearse') return false;
  return job.session === 'keeps' || job.session === 'may keep';
}

/** The job as a program for a session. */
export function jobProgram(context: JobContext, job: Job): Program<JobAnswer> {
  switch (job.kind) {
    case 'operation': {
      const program = operationJob(context, job);
      return job.inSnapshot === true ? readInTransaction(program) : program;
    }
    case 'rehearse':
      return rehearsed(context, job);
    case 'scratchWrite':
      return scratchWritten(context, job.args, job.maxRows);
    case 'ping':
      return ping();
    case 'snapshotBounds':
      return snapshotBounds();
    case 'shareSnapshot':
      return named(shareSnapshot());
    case 'exportSnapshot':
      return named(exportSnapshot());
    case 'commitOutcome':
      return commitOutcome(job.transaction);
    case 'begin':
      return begun(context.engine, job);
    default:
      return control(job.kind);
  }
}

/** An answer as the API promises it. `cells` become objects here, on the caller's side. */
export function answerValue(job: Job, answer: JobAnswer): unknown {
  if (answer.rows === 'none') return answer.value;
  const rows =
    answer.rows === 'objects' ? answer.objects : rowsFromCells(answer.columns, answer.cells);
  return job.kind === 'operation' && job.operation === 'query'
    ? { columns: answer.columns, rows }
    : rows;
}

/** A job that runs a caller's write and rolls it back. */
export type RehearseJob = Extract<Job, { kind: 'rehearse' }>;

/** A job that is one operation of the API. */
export type OperationJob = Extract<Job, { kind: 'operation' }>;

/** Runs an operation where it is called, without the forms that crossing threads needs. A digest is made of what a caller would be given. */
export function runDirectly(session: SyncSession, context: JobContext, job: OperationJob): unknown {
  const answer = answerDirectly(session, context, job);
  return job.digest === true ? digestAnswer(job.operation, answer) : answer;
}

function answerDirectly(session: SyncSession, context: JobContext, job: OperationJob): unknown {
  const value = session.run(operationProgram(context, job, 'objects'));
  if (operations[job.operation] === 'value') return value;
  const { columns, rows } = value as StepResult;
  return job.operation === 'query' ? { columns, rows } : rows;
}

function operationJob(context: JobContext, job: OperationJob): Program<JobAnswer> {
  if (job.evidence !== undefined) return witnessed(context, job, job.evidence.mark);
  return job.digest === true ? digested(context, job) : answered(context, job);
}

function operationProgram(context: JobContext, job: OperationJob, form: RowForm): Program<unknown> {
  const { engine, dataset, onPart } = context;
  const isUsual = job.inTransaction !== true && job.inSession !== true && form === context.form;
  const programs =
    (isUsual ? context.programs : undefined) ??
    datasetPrograms({
      engine,
      dataset,
      form,
      transaction: job.inTransaction === true ? 'savepoint' : 'own',
      inSession: job.inSession,
      onPart: isForComparison(job) || job.inSnapshot === true ? undefined : onPart,
    });
  const program = programs[job.operation] as (...args: readonly unknown[]) => Program<unknown>;
  return program(...job.args);
}

function* answered(context: JobContext, job: OperationJob): Program<JobAnswer> {
  const value = yield* operationProgram(context, job, context.form);
  if (operations[job.operation] === 'value') return { rows: 'none', value };
  const { columns, rows, cells } = value as StepResult;
  return context.form === 'cells'
    ? { rows: 'cells', columns, cells }
    : { rows: 'objects', columns, objects: rows };
}

function* digested(context: JobContext, job: OperationJob): Program<JobAnswer> {
  const value = yield* operationProgram(context, job, 'cells');
  if (operations[job.operation] === 'value') return { rows: 'none', value: digestValue(value) };
  return { rows: 'none', value: digestCells(value as StepResult) };
}

function* witnessed(context: JobContext, job: OperationJob, mark: string): Program<JobAnswer> {
  const read = operationProgram(context, job, 'cells');
  if (context.engine === 'sqlite') return { rows: 'none', value: yield* pagesRead(read) };
  if (context.engine === 'postgresql')
    return { rows: 'none', value: yield* rowsWritten(read, mark) };
  return { rows: 'none', value: undefined };
}

function digestCells({ columns, cells }: StepResult): Digest {
  const digester = new RowsDigester(columns);
  for (const values of cells) digester.addValues(values);
  return digester.finish();
}

function* ping(): Program<JobAnswer> {
  yield { kind: 'all', sql: 'SELECT 1 AS one' };
  return { rows: 'none', value: true };
}

/** Which transactions of the server a read would see, and with them every commit in it. */
function* snapshotBounds(): Program<JobAnswer> {
  const { rows } = yield {
    kind: 'all',
    sql: 'SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text AS bounds',
  };
  return { rows: 'none', value: rows[0]?.['bounds'] };
}

function* named(snapshot: Program<string>): Program<JobAnswer> {
  return { rows: 'none', value: yield* snapshot };
}

/**
 * What the server says of a transaction: `committed`, `aborted` or `in progress`; null where it has forgotten. A replica that was made
 * the primary gives numbers anew from where it had come to: of one that it never saw it says what became of its own, so that it can
 * say of another server's that it was not applied, and not that it was.
 */
function* commitOutcome({ id, server }: WrittenTransaction): Program<JobAnswer> {
  const { rows } = yield {
    kind: 'all',
    sql: `SELECT pg_catalog.pg_xact_status($1::text::pg_catalog.xid8) AS status, ${serverSql} AS server`,
    params: [id],
  };
  const { status, server: asked } = rows[0] ?? {};
  const isAnothers = status === 'committed' && asked !== server;
  return { rows: 'none', value: isAnothers ? 'committed by another server' : status };
}

function* begun(
  engine: Engine,
  { serializable, snapshot }: Extract<Job, { kind: 'begin' }>,
): Program<JobAnswer> {
  yield snapshot === true ? { kind: 'begin', readOnly: true, snapshot } : { kind: 'begin' };
  const sql = serializable === true ? serializableSql(engine) : undefined;
  if (sql !== undefined) yield { kind: 'run', sql };
  return { rows: 'none', value: undefined };
}

function* control(kind: 'commit' | 'rollback'): Program<JobAnswer> {
  yield { kind };
  return { rows: 'none', value: undefined };
}

/** Runs a caller's write in a transaction of its own, sees what it did, and rolls back whatever happens. */
function* rehearsed(
  context: JobContext,
  { args, lasting, lockTimeoutMs, maxRows }: RehearseJob,
): Program<JobAnswer> {
  const { engine, dataset } = context;
  const programs = datasetPrograms({ engine, dataset, form: 'cells', transaction: 'bare' });
  const [sql, params] = args as [string, readonly InputValue[] | undefined];
  yield { kind: 'begin' };
  try {
    // A rehearsal must not make others wait, nor wait itself for long: its caller does.
    if (engine === 'postgresql')
      yield {
        kind: 'run',
        sql: `SET LOCAL lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`,
      };
    const table = touchedTable(sql, engine);
    const { refusal, variable } = yield* lastingEffects(engine, sql, { table, told: lasting });
    if (refusal !== undefined) return effect({ tables: {}, unseen: [refusal] });
    const rowsAffected = yield* programs.execute(sql, params);
    // What a COMMIT would check last; there is none here.
    if (engine === 'postgresql') yield { kind: 'run', sql: 'SET CONSTRAINTS ALL IMMEDIATE' };
    if (table === undefined)
      return effect({ rowsAffected, tables: {}, unseen: ['the statement names no table'] });
    if (variable !== undefined) return effect({ rowsAffected, tables: {}, unseen: [variable] });
    return effect({ rowsAffected, ...(yield* tableEffect(programs, table, maxRows)) });
  } finally {
    yield { kind: 'rollback' };
  }
}

function* tableEffect(
  programs: DatasetPrograms,
  table: string,
  maxRows: number,
): Program<Pick<WriteEffect, 'tables' | 'unseen'>> {
  let rows: StepResult;
  try {
    rows = yield* programs.readTable(table, { limit: maxRows + 1 });
  } catch {
    return { tables: {}, unseen: ['the written table can not be read by its name'] };
  }
  if (rows.cells.length > maxRows)
    return { tables: {}, unseen: [`a table of more than ${maxRows} rows`] };
  return { tables: { [table]: digestCells(rows) }, unseen: [] };
}

function* scratchWritten(
  context: JobContext,
  args: readonly unknown[],
  maxRows: number,
): Program<JobAnswer> {
  const { engine, dataset } = context;
  const [table, rows, write] = args as [string, InputRows, WriteTableOptions | undefined];
  if (write?.ifExists === 'append') {
    const filled = yield* filledByDatabase(engine, table, inputKeys(rows));
    if (filled !== undefined) return effect({ tables: {}, unseen: [filled] });
  }
  const written = yield* datasetPrograms({ engine, dataset, form: 'cells' }).scratchWrite(
    table,
    rows,
    write,
  );
  if (written.cells.length > maxRows)
    return effect({ tables: {}, unseen: [`more than ${maxRows} rows`] });
  return effect({ tables: { [table]: digestCells(written) }, unseen: [] });
}

function effect(value: WriteEffect): JobAnswer {
  return { rows: 'none', value };
}

/** The digest of what an operation answered, for results that were not digested where they were made. */
export function digestAnswer(operation: string, value: unknown): Digest {
  const definition = storageOperations[operation as keyof typeof storageOperations];
  return digestResult(value, definition.kind === 'read' ? (definition.result ?? 'value') : 'value');
}
