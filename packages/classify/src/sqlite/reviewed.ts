// SQLite's own functions and PRAGMAs as they were reviewed. A function or PRAGMA that is in none of these lists acts.

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** Change nothing, whatever they are given. */
export const harmlessFunctions: ReadonlySet<string> = words(`
  -> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char coalesce concat concat_ws cos cosh count
  cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format
  fts5_get_locale fts5_insttoken fts5_locale fts5_source_id geopoly_area geopoly_bbox geopoly_blob geopoly_ccw
  geopoly_contains_point geopoly_group_bbox geopoly_json geopoly_overlap geopoly_regular geopoly_svg geopoly_within
  geopoly_xform glob group_concat hex highlight if ifnull iif instr json json_array json_array_insert json_array_length
  json_error_position json_extract json_group_array json_group_object json_insert json_object json_patch json_pretty
  json_quote json_remove json_replace json_set json_type json_valid jsonb jsonb_array jsonb_array_insert jsonb_extract
  jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set julianday lag
  last_insert_rowid last_value lead length like likelihood likely ln log log10 log2 lower ltrim match matchinfo max median min mod
  nth_value ntile nullif octet_length offsets percent_rank percentile percentile_cont percentile_disc pi pow power printf quote
  radians random randomblob rank regexp replace round row_number rtreecheck rtreedepth rtreenode rtrim sign sin sinh snippet
  soundex sqlite_compileoption_get sqlite_compileoption_used sqlite_offset sqlite_source_id sqlite_version sqrt strftime
  string_agg substr substring subtype sum tan tanh time timediff total total_changes trim trunc typeof unhex unicode unistr
  unistr_quote unixepoch unlikely upper zeroblob
`);

/** Tell what the connection's last write left. */
export const readsLastWrite: ReadonlySet<string> = words('last_insert_rowid changes total_changes');

/** Leave something on the connection. */
export const setsSession: ReadonlySet<string> = words('load_extension fts3_tokenizer');

export const randomSource: ReadonlySet<string> = words('random randomblob');

/** Without parentheses; the clock. */
export const clockWords: ReadonlySet<string> = words('current_date current_time current_timestamp');

/** Take the time as an argument, which may be `'now'` or left out: at this position. */
export const clockArgument: ReadonlyMap<string, number> = new Map([
  ['date', 0],
  ['time', 0],
  ['datetime', 0],
  ['julianday', 0],
  ['unixepoch', 0],
  ['strftime', 1],
  ['timediff', 0],
]);

/** What tells the rows of a PRAGMA apart that is read as a table. */
export const pragmaKeys: ReadonlyMap<string, readonly (readonly string[])[]> = new Map([
  ['pragma_table_info', [['cid']]],
  ['pragma_table_xinfo', [['cid']]],
  ['pragma_index_list', [['seq']]],
  ['pragma_index_info', [['seqno']]],
  ['pragma_index_xinfo', [['seqno']]],
  ['pragma_foreign_key_list', [['id', 'seq']]],
]);

export const roundingAggregates: ReadonlySet<string> = words(
  'sum avg total median percentile percentile_cont percentile_disc',
);

/** Depend on the order of their rows. */
export const orderAggregates: ReadonlySet<string> = words(
  'group_concat string_agg json_group_array json_group_object jsonb_group_array jsonb_group_object',
);

/** Depend on a row's place among equals. */
export const positionWindows: ReadonlySet<string> = words(
  'row_number ntile lag lead first_value last_value nth_value',
);

/** Only tell when they are given nothing. */
export const tellingPragmas: ReadonlySet<string> = words(`
  application_id auto_vacuum automatic_index busy_timeout cache_size cache_spill case_sensitive_like cell_size_check
  collation_list compile_options data_version database_list defer_foreign_keys encoding foreign_key_check foreign_key_list
  foreign_keys freelist_count function_list hard_heap_limit index_info index_list index_xinfo integrity_check journal_mode
  journal_size_limit legacy_alter_table locking_mode max_page_count mmap_size module_list page_count page_size pragma_list
  query_only quick_check read_uncommitted recursive_triggers reverse_unordered_selects schema_version secure_delete
  soft_heap_limit synchronous table_info table_list table_xinfo temp_store threads trusted_schema user_version
  wal_autocheckpoint writable_schema
`);

/** Only tell whatever they are given: a table's name, a limit. */
export const tellingOfArgument: ReadonlySet<string> = words(`
  foreign_key_check foreign_key_list index_info index_list index_xinfo integrity_check quick_check table_info table_list
  table_xinfo
`);

/** Facts of the connection and not of the file. */
export const connectionPragmas: ReadonlySet<string> = words(`
  automatic_index busy_timeout cache_size cache_spill case_sensitive_like data_version defer_foreign_keys foreign_keys
  hard_heap_limit journal_size_limit locking_mode mmap_size query_only read_uncommitted recursive_triggers
  reverse_unordered_selects secure_delete soft_heap_limit synchronous temp_store threads trusted_schema wal_autocheckpoint
  writable_schema database_list
`);

/** Change the file, or do work, and leave nothing on the connection. All others that are given something set the connection. */
export const filePragmas: ReadonlySet<string> = words(`
  application_id auto_vacuum encoding incremental_vacuum journal_mode optimize page_size schema_version shrink_memory
  user_version wal_checkpoint
`);
