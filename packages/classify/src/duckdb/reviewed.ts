// DuckDB's own functions as they were reviewed. What the catalogue calls VOLATILE and is not listed acts, and so does a table
// function that is not listed: it may write files, settings or logs.

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** Table functions that only read. (`query` and `query_table` run a text.) */
export const readingTableFunctions: ReadonlySet<string> = words(`
  arrow_scan arrow_scan_dumb duckdb_approx_database_count duckdb_columns duckdb_connection_count duckdb_constraints
  duckdb_coordinate_systems duckdb_databases duckdb_dependencies duckdb_extensions duckdb_external_file_cache duckdb_functions
  duckdb_indexes duckdb_keywords duckdb_log_contexts duckdb_logs duckdb_memory duckdb_optimizers duckdb_prepared_statements
  duckdb_schemas duckdb_secret_types duckdb_secrets duckdb_sequences duckdb_settings duckdb_table_sample duckdb_tables
  duckdb_temporary_files duckdb_types duckdb_variables duckdb_views generate_series glob icu_calendar_names json_each json_tree
  parquet_bloom_probe parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata parquet_scan
  parquet_schema pg_timezone_names pragma_collations pragma_database_size pragma_metadata_info pragma_platform pragma_show
  pragma_storage_info pragma_table_info pragma_user_agent pragma_version range read_blob read_csv read_csv_auto read_json
  read_json_auto read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet read_text
  repeat repeat_row seq_scan sniff_csv sql_auto_complete summary test_all_types test_vector_types unnest which_secret
`);

/** Volatile and harmless. */
export const harmlessVolatile: ReadonlySet<string> = words(`
  current_connection_id current_query current_query_id current_transaction_id currval error gen_random_uuid random sleep_ms stats
  uuid uuidv4 uuidv7
`);

export const randomSource: ReadonlySet<string> = words('gen_random_uuid random uuid uuidv4 uuidv7');

export const clock: ReadonlySet<string> = words(`
  current_date current_localtime current_localtimestamp current_time current_timestamp get_current_time get_current_timestamp
  localtime localtimestamp now today transaction_timestamp
`);

/** Tell about the connection, or what is set on it. */
export const readsSession: ReadonlySet<string> = words(`
  current_connection_id current_database current_query current_query_id current_role current_schema current_schemas
  current_setting current_transaction_id current_user duckdb_connection_count duckdb_databases duckdb_prepared_statements
  duckdb_secrets duckdb_settings duckdb_temporary_files duckdb_variables getvariable in_search_path pragma_database_size
  session_user txid_current user
`);

export const connectionFacts: ReadonlySet<string> = words(`
  current_connection_id current_query_id current_transaction_id duckdb_connection_count duckdb_memory duckdb_prepared_statements
  duckdb_temporary_files txid_current
`);

export const setsSession: ReadonlySet<string> = words(
  'setseed enable_logging disable_logging enable_profiling disable_profiling',
);

export const roundingAggregates: ReadonlySet<string> = words(`
  avg entropy favg fsum kahan_sum kurtosis kurtosis_pop mean product sem skewness stddev stddev_pop stddev_samp sum
  sum_no_overflow sumkahan var_pop var_samp variance
`);

export const alwaysRounding: ReadonlySet<string> = words(`
  corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
`);

/** Depend on the order of their rows, or estimate. */
export const orderAggregates: ReadonlySet<string> = words(`
  any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last arg_min
  arg_min_null arg_min_nulls_last argmax argmin array_agg first group_concat json_group_array json_group_object
  json_group_structure last list listagg max_by min_by mode reservoir_quantile string_agg
`);

/** Of these, what takes the rows with the most or the least of its second argument: rows that are equal in that are what is left open. */
export const extremeBySecond: RegExp =
  /^(?:arg_?(?:max|min)(?:_null|_nulls_last)?|(?:max|min)_by)$/;

export const positionWindows: ReadonlySet<string> = words(
  'first first_value fill lag last last_value lead nth_value ntile row_number',
);

/** PRAGMAs that only tell. */
export const tellingPragmas: ReadonlySet<string> = words(`
  collations database_list database_size functions metadata_info platform show show_databases show_tables show_tables_expanded
  storage_info table_info user_agent version
`);
