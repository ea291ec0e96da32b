// PostgreSQL 18's own functions as they were reviewed, one by one. Whether a function is volatile says the catalogue; what a volatile
// one does it doesn't say, and neither does `proparallel`. A volatile function that is in none of these lists acts: so does one
// that a newer PostgreSQL brings. A test compares the lists with a real server.

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** Volatile, and change something, lock, or reach outside; known, so that the test sees what is new. */
export const volatileAndActs: ReadonlySet<string> = words(`
  RI_FKey_cascade_del RI_FKey_cascade_upd RI_FKey_check_ins RI_FKey_check_upd RI_FKey_noaction_del
  RI_FKey_noaction_upd RI_FKey_restrict_del RI_FKey_restrict_upd RI_FKey_setdefault_del
  RI_FKey_setdefault_upd RI_FKey_setnull_del RI_FKey_setnull_upd bernoulli
  binary_upgrade_add_sub_rel_state binary_upgrade_create_empty_extension
  binary_upgrade_logical_slot_has_caught_up binary_upgrade_replorigin_advance
  binary_upgrade_set_missing_value binary_upgrade_set_next_array_pg_type_oid
  binary_upgrade_set_next_heap_pg_class_oid binary_upgrade_set_next_heap_relfilenode
  binary_upgrade_set_next_index_pg_class_oid binary_upgrade_set_next_index_relfilenode
  binary_upgrade_set_next_multirange_array_pg_type_oid
  binary_upgrade_set_next_multirange_pg_type_oid binary_upgrade_set_next_pg_authid_oid
  binary_upgrade_set_next_pg_enum_oid binary_upgrade_set_next_pg_tablespace_oid
  binary_upgrade_set_next_pg_type_oid binary_upgrade_set_next_toast_pg_class_oid
  binary_upgrade_set_next_toast_relfilenode binary_upgrade_set_record_init_privs
  brin_desummarize_range brin_summarize_new_values brin_summarize_range brinhandler bthandler
  currtid2 cursor_to_xml cursor_to_xmlschema dsnowball_init dsnowball_lexize
  gin_clean_pending_list ginhandler gisthandler hashhandler heap_tableam_handler lo_close lo_creat
  lo_create lo_export lo_from_bytea lo_import lo_lseek lo_lseek64 lo_open lo_put lo_truncate
  lo_truncate64 lo_unlink loread lowrite nextval pg_advisory_lock pg_advisory_lock_shared
  pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock
  pg_advisory_xact_lock_shared pg_backup_start pg_backup_stop pg_cancel_backend
  pg_clear_attribute_stats pg_clear_relation_stats pg_copy_logical_replication_slot
  pg_copy_physical_replication_slot pg_create_logical_replication_slot
  pg_create_physical_replication_slot pg_create_restore_point pg_drop_replication_slot
  pg_export_snapshot pg_extension_config_dump pg_import_system_collations
  pg_log_backend_memory_contexts pg_log_standby_snapshot pg_logical_emit_message
  pg_logical_slot_get_binary_changes pg_logical_slot_get_changes pg_nextoid pg_notify pg_promote
  pg_reload_conf pg_replication_origin_advance pg_replication_origin_create
  pg_replication_origin_drop pg_replication_origin_session_reset
  pg_replication_origin_session_setup pg_replication_origin_xact_reset
  pg_replication_origin_xact_setup pg_replication_slot_advance pg_restore_attribute_stats
  pg_restore_relation_stats pg_rotate_logfile pg_stat_clear_snapshot pg_stat_force_next_flush
  pg_stat_reset pg_stat_reset_backend_stats pg_stat_reset_replication_slot pg_stat_reset_shared
  pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters pg_stat_reset_slru
  pg_stat_reset_subscription_stats pg_stop_making_pinned_objects pg_switch_wal
  pg_sync_replication_slots pg_terminate_backend pg_try_advisory_lock pg_try_advisory_lock_shared
  pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_wal_replay_pause
  pg_wal_replay_resume plpgsql_call_handler plpgsql_inline_handler plpgsql_validator query_to_xml
  query_to_xml_and_xmlschema query_to_xmlschema set_config setseed setval spghandler
  suppress_redundant_updates_trigger system ts_rewrite ts_stat tsvector_update_trigger
  tsvector_update_trigger_column unique_key_recheck
`);

/** Declared stable or immutable and act all the same: they run SQL or a type that is given as a text, or take a transaction number. */
export const actsThoughStable: ReadonlySet<string> = words(`
  database_to_xml database_to_xml_and_xmlschema database_to_xmlschema schema_to_xml
  schema_to_xml_and_xmlschema schema_to_xmlschema table_to_xml table_to_xml_and_xmlschema
  table_to_xmlschema query_to_xml query_to_xml_and_xmlschema query_to_xmlschema cursor_to_xml
  cursor_to_xmlschema ts_rewrite ts_stat pg_input_is_valid pg_input_error_info pg_current_xact_id
  txid_current
`);

/** They act, and a rollback takes that back: what is notified is sent by COMMIT, and triggers' own functions change their row alone. */
export const undoneByRollback: ReadonlySet<string> = words(`
  pg_notify set_config suppress_redundant_updates_trigger tsvector_update_trigger
  tsvector_update_trigger_column
`);

/** The clock; `age` of one argument is another. */
export const clock: ReadonlySet<string> = words(`
  now transaction_timestamp statement_timestamp clock_timestamp timeofday
`);

/** Volatile and harmless: random. */
export const randomSource: ReadonlySet<string> = words(`
  random random_normal gen_random_uuid uuidv4 uuidv7 array_sample array_shuffle
`);

/** Volatile and harmless: what they answer is determined by the data, or is nothing. */
export const determined: ReadonlySet<string> = words(`
  amvalidate pg_sleep pg_sleep_for pg_sleep_until lo_get pg_jit_available pg_partition_ancestors
  pg_partition_tree pg_sequence_last_value currval lastval current_query lo_tell lo_tell64
  pg_collation_actual_version pg_database_collation_actual_version pg_get_sequence_data
  pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_stat_have_stats
`);

/** Tell about the connection itself, or the transaction it is in. */
export const connectionFacts: ReadonlySet<string> = words(`
  pg_get_backend_memory_contexts pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit
  pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time
  pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted
  pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
  pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated
  pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated
  pg_replication_origin_session_is_setup pg_replication_origin_session_progress pg_backend_pid
  inet_client_addr inet_client_port pg_prepared_statement pg_cursor pg_listening_channels
  pg_my_temp_schema pg_current_xact_id_if_assigned txid_current_if_assigned pg_trigger_depth
`);

/** Harmless: tell what the server does at the moment. The stable ones `pg_stat_get_…` are among them by their name. */
export const serverState: ReadonlySet<string> = words(`
  pg_available_wal_summaries pg_blocking_pids pg_control_checkpoint pg_control_init
  pg_control_recovery pg_control_system pg_current_logfile pg_current_wal_flush_lsn
  pg_current_wal_insert_lsn pg_current_wal_lsn pg_database_size pg_get_aios pg_get_loaded_modules
  pg_get_multixact_members pg_get_shmem_allocations pg_get_shmem_allocations_numa
  pg_get_wait_events pg_get_wal_replay_pause_state pg_get_wal_resource_managers
  pg_get_wal_summarizer_state pg_hba_file_rules pg_ident_file_mappings pg_indexes_size
  pg_is_in_recovery pg_is_wal_replay_paused pg_isolation_test_session_is_blocked
  pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn
  pg_last_xact_replay_timestamp pg_lock_status pg_logical_slot_peek_binary_changes
  pg_logical_slot_peek_changes pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir
  pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir
  pg_notification_queue_usage pg_prepared_xact pg_read_binary_file pg_read_file pg_relation_size
  pg_replication_origin_progress pg_safe_snapshot_blocking_pids pg_show_all_file_settings
  pg_show_replication_origin_status pg_stat_file pg_stat_get_backend_io pg_stat_get_backend_wal
  pg_stat_get_io pg_stat_get_recovery_prefetch pg_table_size pg_tablespace_size
  pg_total_relation_size pg_wal_summary_contents pg_xact_status txid_status pg_stat_get_activity
  pg_current_snapshot txid_current_snapshot pg_get_replication_slots
  pg_stat_get_snapshot_timestamp pg_column_toast_chunk_id pg_relation_filenode
  pg_relation_filepath
`);

/** Tell what the connection's last write left. */
export const readsLastWrite: ReadonlySet<string> = words(`
  currval lastval
`);

/** Read settings, the role, or what else the session is set to. */
export const readsSession: ReadonlySet<string> = words(`
  current_schema current_schemas current_setting current_user session_user getpgusername
  get_current_ts_config pg_client_encoding pg_show_all_settings row_security_active
  pg_is_other_temp_schema current_query lo_tell lo_tell64 pg_prepared_statement pg_cursor
  pg_listening_channels pg_my_temp_schema pg_replication_origin_session_is_setup
  pg_replication_origin_session_progress
`);

/** Leave something on the connection for later statements. (`nextval` leaves what `lastval` tells, as every write does.) */
export const setsSession: ReadonlySet<string> = words(`
  set_config setseed lo_open lo_lseek lo_lseek64 lo_close pg_replication_origin_session_setup
  pg_replication_origin_session_reset pg_stat_clear_snapshot
`);

/** Take or free locks that outlive the transaction. */
export const sessionLocks: ReadonlySet<string> = words(`
  pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
  pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all
`);

/** Aggregates that add up, in whatever order: of floating-point numbers the last digits differ. */
export const roundingAggregates: ReadonlySet<string> = words(`
  sum avg stddev stddev_pop stddev_samp var_pop var_samp variance
`);

/** The same, and make floating-point numbers of whatever they are given. */
export const alwaysRounding: ReadonlySet<string> = words(`
  corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx
  regr_sxy regr_syy
`);

/** Aggregates whose answer depends on the order of their rows. */
export const orderAggregates: ReadonlySet<string> = words(`
  array_agg string_agg json_agg json_agg_strict jsonb_agg jsonb_agg_strict json_object_agg
  json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_object_agg
  jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict xmlagg any_value
  mode
`);

/** Window functions that depend on a row's place among equals; `rank` and its like do not. */
export const positionWindows: ReadonlySet<string> = words(`
  row_number ntile lag lead first_value last_value nth_value
`);
