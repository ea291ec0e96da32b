import { cellColumns } from './cell-rows.ts';
import { deleteOldMinutes, keptMinutes, minuteColumns, minuteValues } from './minute-rows.ts';
import { relianceColumns, relianceValues } from './reliance-rows.ts';
import type { RuleUseCount } from './rule-uses.ts';
import { groupColumns, groupValues, sampleColumns, sampleValues } from './sample-rows.ts';
import { shapeColumns, shapeValues } from './shape-rows.ts';
import type { StoreDatabase, StoreValue } from './store-file.ts';
import type { Batch, EventRow, WriterRow } from './store-rows.ts';

type StoreStatement = ReturnType<StoreDatabase['prepare']>;

const writerColumns = [
  'writer',
  'run',
  'host',
  'pid',
  'node',
  'started_at',
  'last_at',
  'samples_over_limit',
];
const eventColumns = ['writer', 'sequence', 'at', 'kind', 'fields'];
const ruleColumns = ['writer', 'backend', 'rule', 'uses', 'failures'];

const writerValues = (row: WriterRow): StoreValue[] => [
  row.run,
  row.host,
  row.pid,
  row.node,
  row.startedAt,
  row.lastAt,
  row.samplesOverLimit,
];
const eventValues = (row: EventRow): StoreValue[] => [row.sequence, row.at, row.kind, row.fields];
const ruleValues = (row: RuleUseCount): StoreValue[] => [
  row.backend,
  row.rule,
  row.uses,
  row.failures,
];

/** The statements that write a batch, each prepared once. */
export class BatchWriter {
  readonly #writer: StoreStatement;
  readonly #cell: StoreStatement;
  readonly #group: StoreStatement;
  readonly #sample: StoreStatement;
  readonly #event: StoreStatement;
  readonly #shape: StoreStatement;
  readonly #reliance: StoreStatement;
  readonly #minute: StoreStatement;
  readonly #oldMinutes: StoreStatement;
  readonly #rule: StoreStatement;

  /** @throws the driver's error. */
  constructor(database: StoreDatabase) {
    this.#writer = upsert(database, 'writer', writerColumns);
    this.#cell = upsert(database, 'cell', cellColumns);
    this.#group = upsert(database, 'sample_group', groupColumns);
    this.#sample = upsert(database, 'sample', sampleColumns);
    this.#event = upsert(database, 'event', eventColumns);
    this.#shape = upsert(database, 'shape', shapeColumns);
    this.#reliance = upsert(database, 'reliance', relianceColumns);
    this.#minute = upsert(database, 'minute', minuteColumns);
    this.#oldMinutes = database.prepare(deleteOldMinutes);
    this.#rule = upsert(database, 'rule_use', ruleColumns);
  }

  /**
   * Writes it, in the transaction that is open.
   *
   * @param cells the values of the batch's cells, which take longer to make than to write.
   * @throws the driver's error.
   */
  write(batch: Batch, cells: readonly (readonly StoreValue[])[]): void {
    const { writer } = batch.writer;
    this.#writer.run(writer, ...writerValues(batch.writer));
    for (const values of cells) this.#cell.run(writer, ...values);
    for (const row of batch.groups) this.#group.run(writer, ...groupValues(row));
    for (const row of batch.samples) this.#sample.run(writer, ...sampleValues(row));
    for (const row of batch.events) this.#event.run(writer, ...eventValues(row));
    for (const row of batch.shapes) this.#shape.run(writer, ...shapeValues(row));
    for (const row of batch.reliance) this.#reliance.run(writer, ...relianceValues(row));
    this.#writeMinutes(writer, batch.minutes ?? []);
    for (const row of batch.rules) this.#rule.run(writer, ...ruleValues(row));
  }

  /** With each part of a minute's rows goes as much of the old ones, and some more. */
  #writeMinutes(writer: string, minutes: NonNullable<Batch['minutes']>): void {
    if (minutes.length === 0) return;
    for (const row of minutes) this.#minute.run(writer, ...minuteValues(row));
    const latest = Math.max(...minutes.map(({ minute }) => minute));
    this.#oldMinutes.run(latest - keptMinutes, 2 * minutes.length);
  }
}

function upsert(
  database: StoreDatabase,
  table: string,
  columns: readonly string[],
): StoreStatement {
  const names = columns.map((name) => `"${name}"`).join(', ');
  const values = columns.map(() => '?').join(', ');
  return database.prepare(`insert or replace into ${table} (${names}) values (${values})`);
}
