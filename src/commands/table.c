/* Every verb there is, in the order of `custody --help`. Each row lives in its verb's file. */
#include "commands/table.h"

const struct command *const commands[] = {
    &command_demo,
    &command_doctor,
    &command_init,
    &command_policy_check,
    &command_policy_show,
    &command_policy_explain,
    &command_scan,
    &command_view,
    &command_run,
    &command_stop,
    &command_runs,
    &command_runs_gc,
    &command_show,
    &command_change_list,
    &command_change_show,
    &command_change_diff,
    &command_change_approve,
    &command_change_reject,
    &command_change_land,
    &command_engine_list,
    &command_engine_show,
    &command_engine_install,
    &command_log,
    &command_prove,
    &command_verify,
    &command_timestamp,
    &command_witness,
    &command_witness_init,
    &command_scripted_model,
    &command_agent_loop,
    &command_help,
};

const size_t command_count = COUNT(commands);
