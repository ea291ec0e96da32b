import { tokensOf } from '@changeover/classify/glance';
import type { Undetermined } from '@changeover/core';

/** Averages of doubles depend on the order of addition, which a parallel engine doesn't promise: of 200,000 rows, DuckDB's differ
 * from run to run. */
export const roundedStatistics: Undetermined = {
  kind: 'rounding',
  reason: 'but for the last digits of mean and std, which depend on the order of addition',
  fields: { rounded: ['mean', 'std'], between: ['min', 'max'] },
};

interface Shape extends Undetermined {
  readonly pattern: RegExp;
  readonly unless?: RegExp;
}

const functions = (...names: readonly string[]): RegExp =>
  new RegExp(String.raw`\b(?:${names.join('|')})\s*\(`, 'i');

const shapes: readonly Shape[] = [
  {
    kind: 'volatile',
    reason: 'it calls a function that answers differently each time',
    pattern: functions(
      'random',
      'rand',
      'randomblob',
      'random_normal',
      'setseed',
      'gen_random_uuid',
      'uuid',
      'uuidv4',
      'uuidv7',
      'gen_random_bytes',
      'nextval',
      'currval',
      'lastval',
      'txid_\\w+',
      'pg_current_\\w+',
      'pg_backend_pid',
      'last_insert_rowid',
      'changes',
      'total_changes',
    ),
  },
  {
    kind: 'volatile',
    reason: 'it asks for the time',
    pattern: new RegExp(
      [
        functions(
          'now',
          'today',
          'clock_timestamp',
          'statement_timestamp',
          'transaction_timestamp',
          'timeofday',
          'get_current_\\w+',
        ).source,
        String.raw`\b(?:current_timestamp|current_time|current_date|localtimestamp|localtime)\b`,
        String.raw`\b(?:date|time|datetime|julianday|unixepoch|strftime|timediff)\s*\((?:\s*\)|[^()]*'now')`,
      ].join('|'),
      'i',
    ),
  },
  { kind: 'volatile', reason: 'it samples rows', pattern: /\btablesample\b|\busing\s+sample\b/i },
  {
    kind: 'choice',
    reason: 'it takes some of the rows without saying which',
    pattern: /\blimit\b|\bfetch\s+(?:first|next)\b/i,
    unless: /\border\s+by\b/i,
  },
  {
    kind: 'choice',
    reason: 'it takes one row of several',
    pattern:
      /\bdistinct\s+on\b|\b(?:first|last|any_value|arbitrary|arg_min|arg_max|min_by|max_by|mode)\s*\(/i,
  },
  {
    kind: 'choice',
    reason: 'it puts rows together in no given order',
    pattern: functions(
      'list',
      'array_agg',
      'string_agg',
      'group_concat',
      'listagg',
      'histogram',
      'json_agg',
      'jsonb_agg',
      'json_group_array',
      'json_object_agg',
      'json_group_object',
      'approx_\\w+',
      'reservoir_quantile',
    ),
  },
  {
    kind: 'rounding',
    reason: 'sums and averages of doubles depend on the order of rows',
    pattern: functions(
      'sum',
      'total',
      'avg',
      'mean',
      'fsum',
      'sumkahan',
      'kahan_sum',
      'favg',
      'geomean',
      'product',
      'stddev\\w*',
      'var\\w*',
      'corr',
      'covar\\w*',
      'regr_\\w+',
      'skewness',
      'kurtosis\\w*',
      'entropy',
      'quantile_cont',
      'percentile_cont',
      'median',
    ),
  },
];

/**
 * The words and signs of a statement, one blank between them, without what stands in quotes, but for `'now'`. The patterns are tried on
 * this alone: on the text itself a long comment or many blanks would cost a caller seconds.
 */
function codeOf(sql: string): string {
  return tokensOf(sql, 'postgresql')
    .map(({ type, text }) => {
      if (type === 'name') return '';
      return type === 'literal' && text.toLowerCase() !== "'now'" ? "''" : text;
    })
    .join(' ');
}

/** The first reason why a statement's result may differ from one run to the next. It reads the words of the statement, not its
 * meaning: it may miss a reason (a view's or a user's function), and may name one that the data rules out. */
export function undeterminedSql(sql: string): Undetermined | undefined {
  const code = codeOf(sql);
  const shape = shapes.find(
    ({ pattern, unless }) => pattern.test(code) && unless?.test(code) !== true,
  );
  return shape === undefined ? undefined : { kind: shape.kind, reason: shape.reason };
}

/** Whether a statement says in which order its rows come. By its words as well, wherever they stand. */
export function isOrderedSql(sql: string): boolean {
  return /\border by\b/i.test(codeOf(sql));
}
