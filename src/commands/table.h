/* commands/table.h - the rows that the verbs' files define. */
#ifndef CUSTODY_COMMANDS_TABLE_H
#define CUSTODY_COMMANDS_TABLE_H

#include "commands/command.h"

extern const struct command command_agent_loop;
extern const struct command command_archive;
extern const struct command command_backup;
extern const struct command command_budget;
extern const struct command command_change_approve;
extern const struct command command_change_diff;
extern const struct command command_change_land;
extern const struct command command_change_list;
extern const struct command command_change_reject;
extern const struct command command_change_show;
extern const struct command command_demo;
extern const struct command command_doctor;
extern const struct command command_engine_install;
extern const struct command command_engine_list;
extern const struct command command_engine_show;
extern const struct command command_erase;
extern const struct command command_help;
extern const struct command command_hold_list;
extern const struct command command_hold_place;
extern const struct command command_hold_release;
extern const struct command command_init;
extern const struct command command_key_replace;
extern const struct command command_key_rotate;
extern const struct command command_key_seal;
extern const struct command command_key_show;
extern const struct command command_key_unseal;
extern const struct command command_lineage;
extern const struct command command_log;
extern const struct command command_mcp_list;
extern const struct command command_mcp_pin;
extern const struct command command_payload_list;
extern const struct command command_payload_show;
extern const struct command command_policy_check;
extern const struct command command_policy_explain;
extern const struct command command_policy_show;
extern const struct command command_prove;
extern const struct command command_restore;
extern const struct command command_rules_check;
extern const struct command command_rules_import;
extern const struct command command_rules_list;
extern const struct command command_run;
extern const struct command command_runs;
extern const struct command command_runs_gc;
extern const struct command command_scan;
extern const struct command command_scripted_model;
extern const struct command command_show;
extern const struct command command_stop;
extern const struct command command_timestamp;
extern const struct command command_breakglass;
extern const struct command command_breakglass_list;
extern const struct command command_verify;
extern const struct command command_view;
extern const struct command command_witness;
extern const struct command command_witness_init;

#endif
