// SPDX-License-Identifier: Apache-2.0
/* The nouns of `quota`, one file each; main.c lists them in the order of the help. */
#ifndef FF_QUOTA_CLI_NOUNS_H
#define FF_QUOTA_CLI_NOUNS_H

#include "quota/cli/command.h"

extern const struct command_noun noun_db, noun_site, noun_ldap, noun_tenant, noun_project,
    noun_member, noun_request, noun_person, noun_grant, noun_revoke, noun_transfer, noun_refund,
    noun_adjust, noun_expire, noun_allocation, noun_balance, noun_share, noun_limit, noun_price,
    noun_node, noun_slurm, noun_job, noun_hold, noun_ledger, noun_month, noun_report,
    noun_notice, noun_verify, noun_audit, noun_export, noun_import;

#endif
