import type {
  ShownValue,
  TableResult,
  VerifyProgress,
  VerifyResult,
  VerifySample,
} from './verify-types.ts';

type Paint = (style: 'bold' | 'dim' | 'red' | 'green' | 'yellow', text: string) => string;

const styles = {
  match: 'green',
  mismatch: 'red',
  raced: 'yellow',
  inconclusive: 'yellow',
} as const;

/** A result for people: what differs first, then the rest, and what was compared. */
export function verifyText(result: VerifyResult, paint: Paint): readonly string[] {
  const rest = result.tables.filter(({ verdict }) => verdict === 'match');
  const found = result.tables.filter(({ verdict }) => verdict !== 'match');
  const { counts } = result;
  return [
    `${paint(styles[result.verdict], result.verdict.toUpperCase())}  ${result.left} against ${result.right}: ` +
      `${counts.match} of ${result.tables.length} tables match` +
      (['mismatch', 'raced', 'inconclusive'] as const)
        .map((name) => (counts[name] === 0 ? '' : `, ${counts[name]} ${name}`))
        .join(''),
    ...found.flatMap((table) => tableText(table, paint)),
    ...rest.flatMap((table) => tableText(table, paint)),
    paint('dim', `${count(result.rowsRead)} rows read in ${seconds(result.durationMs / 1_000)}.`),
  ];
}

function tableText(table: TableResult, paint: Paint): readonly string[] {
  const { difference, rows } = table;
  const place = [
    table.engine,
    table.dataset,
    ...(table.table === undefined ? [] : [table.table]),
  ].join(' ');
  const size =
    rows.left === rows.right
      ? `${count(rows.left)} rows`
      : `${count(rows.left)} rows against ${count(rows.right)}`;
  const head = `  ${paint(styles[table.verdict], table.verdict.padEnd(12))} ${place}`;
  const how = table.compared.by === 'nothing' ? '' : `  ${size}, ${comparedText(table)}`;
  const reason = table.reason === undefined ? [] : [`      ${table.reason}`];
  if (difference === undefined) return [`${head}${paint('dim', how)}`, ...reason];
  const columns = difference.columns.length === 0 ? '' : ` in ${difference.columns.join(', ')}`;
  const { left, right } = difference.rows;
  const lone =
    left + right === 0
      ? ''
      : `; ${difference.complete ? '' : 'at least '}${count(left)} rows on the left and ${count(right)} on the right have no equal`;
  return [
    `${head}${paint('dim', how)}`,
    ...reason,
    `      ${difference.class}${columns}${lone}`,
    ...difference.samples.map(sampleText),
  ];
}

/** What a match means. */
function comparedText({ compared }: TableResult): string {
  const by =
    compared.by === 'checksum' ? 'checksums made in the engine' : 'each value as it is read';
  return [
    by,
    compared.snapshot === 'shared' ? 'one snapshot' : 'a snapshot a side',
    ...(compared.order ? [] : ['any order']),
    ...(compared.resumed ? ['begun by an earlier process'] : []),
  ].join(', ');
}

function sampleText({ row, key, column, left, right }: VerifySample): string {
  const keyed =
    key === undefined
      ? ''
      : ` (${Object.entries(key)
          .map(([name, value]) => `${name} ${shownText(value)}`)
          .join(', ')})`;
  const where = `      row ${row}${keyed}${column === undefined ? '' : ` ${column}`}`;
  return left === undefined && right === undefined
    ? where
    : `${where}: ${shownText(left)} | ${shownText(right)}`;
}

function shownText(shown: ShownValue | undefined): string {
  if (shown === undefined) return '(no row)';
  if (shown.value !== undefined) return shown.value;
  return `<${shown.type}${shown.length === undefined ? '' : ` ${shown.length}`} ${shown.digest ?? ''}>`;
}

/** One line that says how far it is. */
export function progressText(progress: VerifyProgress): string {
  const {
    engine,
    dataset,
    table,
    phase,
    rows,
    totalRows,
    tablesDone,
    tablesTotal,
    rowsPerSecond,
    secondsLeft,
    waiting,
  } = progress;
  const part =
    totalRows === undefined || totalRows === 0
      ? ''
      : ` (${Math.min(100, Math.floor((rows / totalRows) * 100))} %)`;
  const left = secondsLeft === undefined ? '' : `, ${seconds(secondsLeft)} left`;
  const doing =
    phase === 'scan'
      ? ''
      : phase === 'locate'
        ? ', finding the rows that differ'
        : ', reading again what differed';
  return (
    `${tablesDone + 1}/${tablesTotal} ${engine} ${dataset} ${table}: ${count(rows)} rows${part}, ` +
    `${count(Math.round(rowsPerSecond))} rows/s${left}${doing}${waiting === undefined ? '' : `; waiting: ${waiting}`}`
  );
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} s`;
  return value < 120 ? `${Math.round(value)} s` : `${Math.floor(value / 60)} min`;
}
