// SPDX-License-Identifier: Apache-2.0
/* Slurm's words as tables, and the functions that walk them. Every text here comes from
 * outside: a comment may be any user's, and a sentence of a newer Slurm is not yet in the
 * table. */
#include "runner/exec/slurm_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"

static const char *const state_names[] = {
    [SLURM_UNKNOWN] = "unknown",
    [SLURM_PENDING] = "pending",
    [SLURM_CONFIGURING] = "configuring",
    [SLURM_RUNNING] = "running",
    [SLURM_SUSPENDED] = "suspended",
    [SLURM_COMPLETING] = "completing",
    [SLURM_COMPLETED] = "completed",
    [SLURM_FAILED] = "failed",
    [SLURM_CANCELLED] = "cancelled",
    [SLURM_TIMEOUT] = "timeout",
    [SLURM_NODE_FAIL] = "node_fail",
    [SLURM_PREEMPTED] = "preempted",
    [SLURM_OUT_OF_MEMORY] = "out_of_memory",
    [SLURM_BOOT_FAIL] = "boot_fail",
    [SLURM_DEADLINE] = "deadline",
    [SLURM_REQUEUED] = "requeued",
};

/* Words that are a mark beside the state proper come with the state they stand for: a job being
 * signalled runs, one held after a requeue waits. */
static const struct {
    const char *word;
    enum slurm_state state;
} state_words[] = {
    {"PENDING", SLURM_PENDING},         {"RUNNING", SLURM_RUNNING},
    {"SUSPENDED", SLURM_SUSPENDED},     {"COMPLETED", SLURM_COMPLETED},
    {"CANCELLED", SLURM_CANCELLED},     {"FAILED", SLURM_FAILED},
    {"TIMEOUT", SLURM_TIMEOUT},         {"NODE_FAIL", SLURM_NODE_FAIL},
    {"PREEMPTED", SLURM_PREEMPTED},     {"BOOT_FAIL", SLURM_BOOT_FAIL},
    {"DEADLINE", SLURM_DEADLINE},       {"OUT_OF_MEMORY", SLURM_OUT_OF_MEMORY},
    {"CONFIGURING", SLURM_CONFIGURING}, {"POWER_UP_NODE", SLURM_CONFIGURING},
    {"COMPLETING", SLURM_COMPLETING},   {"STAGE_OUT", SLURM_COMPLETING},
    {"STOPPED", SLURM_SUSPENDED},       {"SIGNALING", SLURM_RUNNING},
    {"RESIZING", SLURM_RUNNING},        {"UPDATE_DB", SLURM_RUNNING},
    {"REQUEUED", SLURM_REQUEUED},       {"REQUEUE_FED", SLURM_PENDING},
    {"REQUEUE_HOLD", SLURM_PENDING},    {"SPECIAL_EXIT", SLURM_PENDING},
    {"RESV_DEL_HOLD", SLURM_PENDING},   {"EXPEDITING", SLURM_PENDING},
    {"LAUNCH_FAILED", SLURM_FAILED},    {"RECONFIG_FAIL", SLURM_FAILED},
    {"REVOKED", SLURM_CANCELLED},
};

/* What the clients write on standard error, from Slurm's own list of errors. A remedy is a
 * site's or a person's next step. */
static const struct {
    const char *sentence;
    enum slurm_answer answer;
    const char *remedy;
} sentences[] = {
    /* sent, and no word came back: slurmctld was seen to accept such jobs */
    {"Socket timed out on send/recv", SLURM_AMBIGUOUS, NULL},
    {"(receive failure)", SLURM_AMBIGUOUS, NULL},
    {"(send failure)", SLURM_AMBIGUOUS, NULL},
    {"(shutdown failure)", SLURM_AMBIGUOUS, NULL},
    {"Message receive failure", SLURM_AMBIGUOUS, NULL},
    {"Message send failure", SLURM_AMBIGUOUS, NULL},
    {"Connection timed out reading", SLURM_AMBIGUOUS, NULL},
    {"Connection timed out writing", SLURM_AMBIGUOUS, NULL},
    {"Zero Bytes were transmitted", SLURM_AMBIGUOUS, NULL},
    {"Unexpected message received", SLURM_AMBIGUOUS, NULL},
    {"Insane message length", SLURM_AMBIGUOUS, NULL},
    {"Header lengths are longer", SLURM_AMBIGUOUS, NULL},
    {"Communication shutdown failure", SLURM_AMBIGUOUS, NULL},
    {"Duplicate job id", SLURM_AMBIGUOUS, NULL},

    {"Invalid job id specified", SLURM_GONE, NULL},
    {"already completing or completed", SLURM_GONE, NULL},
    {"Job has already finished", SLURM_GONE, NULL},

    {"Invalid account or account/partition", SLURM_FAULT,
     "give the person an association with that account (sacctmgr add user)"},
    {"Invalid or unknown association", SLURM_FAULT,
     "give the person an association (sacctmgr add user)"},
    {"Invalid user id", SLURM_FAULT, "the account must be known where slurmctld runs"},
    {"Invalid user ID", SLURM_FAULT, "the account must be known where slurmctld runs"},
    {"resolve user ID", SLURM_FAULT, "the account must be known where slurmctld runs"},
    {"Invalid --uid", SLURM_FAULT, "the account must be known where sbatch runs"},
    {"Invalid group id", SLURM_FAULT, "the group must be known where slurmctld runs"},
    {"Invalid partition name", SLURM_FAULT, "name a partition of this cluster (sinfo)"},
    {"No partition specified", SLURM_FAULT, "name a partition of this cluster (sinfo)"},
    {"group not permitted to use this partition", SLURM_FAULT, "ask for the partition's group"},
    {"Requested nodes not in this partition", SLURM_FAULT, "name nodes of the partition"},
    {"Invalid node name specified", SLURM_FAULT, "name nodes of this cluster (sinfo)"},
    {"Requested node configuration is not available", SLURM_FAULT,
     "ask for no more than the largest node has"},
    {"Memory specification can not be satisfied", SLURM_FAULT, "ask for less memory"},
    {"Memory required by task is not available", SLURM_FAULT, "ask for less memory"},
    {"generic resource (gres) specification", SLURM_FAULT, "ask for a GPU type of the cluster"},
    {"Invalid GRES specification", SLURM_FAULT, "ask for a GPU type of the cluster"},
    {"Invalid Trackable RESource", SLURM_FAULT, "ask for a GPU type of the cluster"},
    {"Node count specification invalid", SLURM_FAULT, "ask for fewer nodes"},
    {"CPU count specification invalid", SLURM_FAULT, "ask for fewer CPUs"},
    {"Task count specification invalid", SLURM_FAULT, NULL},
    {"More processors requested than permitted", SLURM_FAULT, "ask for fewer CPUs"},
    {"Requested time limit is invalid", SLURM_FAULT, "ask for less time"},
    {"Invalid qos specification", SLURM_FAULT, "give the association that QOS"},
    {"violates accounting/QOS policy", SLURM_FAULT,
     "raise the limit of the association or QOS"},
    {"breached requested QOS usage", SLURM_FAULT, "raise the limit of the QOS"},
    {"Invalid feature specification", SLURM_FAULT, NULL},
    {"Access denied to requested reservation", SLURM_FAULT, NULL},
    {"Access/permission denied", SLURM_FAULT, "only an operator of Slurm's may do this"},
    {"Pathname of a file, directory or other parameter too long", SLURM_FAULT, NULL},
    {"Invalid --", SLURM_FAULT, NULL},
    {"Unable to open file", SLURM_FAULT, NULL},

    {"(connect failure)", SLURM_TROUBLE, "is slurmctld running?"},
    {"Communication connection failure", SLURM_TROUBLE, "is slurmctld running?"},
    {"Connection timed out establishing", SLURM_TROUBLE, "is slurmctld running?"},
    {"standby mode", SLURM_TROUBLE, "slurmctld is changing over"},
    {"Rate limit exceeded", SLURM_TROUBLE, NULL},
    {"temporarily unable to accept job", SLURM_TROUBLE, NULL},
    {"System submissions disabled", SLURM_TROUBLE, "an operator has stopped submissions"},
    {"Requested operation is presently disabled", SLURM_TROUBLE, NULL},
    {"MaxJobCount limit reached", SLURM_TROUBLE, "raise MaxJobCount in slurm.conf"},
    {"Required partition not available", SLURM_TROUBLE, "the partition is closed"},
    {"Requested partition configuration not available now", SLURM_TROUBLE, NULL},
    {"Partition in DOWN state", SLURM_TROUBLE, "the partition is closed"},
    {"Required node not available", SLURM_TROUBLE, "nodes are down, drained or reserved"},
    {"Requested nodes are busy", SLURM_TROUBLE, NULL},
    {"Requested reservation not usable now", SLURM_TROUBLE, NULL},
    {"I/O error writing script", SLURM_TROUBLE, "is slurmctld's disk full?"},
    {"can not be altered now", SLURM_TROUBLE, NULL},
    {"uthentication", SLURM_TROUBLE, "is munged running, with the cluster's key?"},
    {"Munge encode failed", SLURM_TROUBLE, "is munged running?"},
    {"configuration source", SLURM_TROUBLE, "set SLURM_CONF for the clients"},
    {"process configuration file", SLURM_TROUBLE, "set SLURM_CONF for the clients"},
    {"Unable to connect to database", SLURM_TROUBLE, "is slurmdbd running?"},
    {"Problem talking to the database", SLURM_TROUBLE, "is slurmdbd running?"},
    {"can't be reached now", SLURM_TROUBLE, "is the cluster's slurmctld running?"},
    {"Incompatible versions", SLURM_TROUBLE, "clients and slurmctld must be of one release"},
    {"internal error", SLURM_TROUBLE, NULL},
};

static const char *const nothings[] = {
    "",
    "Unknown",
    "None",
    "NONE",
    "none",
    "N/A",
    "n/a",
    "(null)",
    "INVALID",
    "NOT_SET",
    "Partition_Limit",
    "None assigned",
    "4294967294",
    "UNLIMITED",
};

enum slurm_state slurm_state_read(const char *word)
{
    size_t len = strcspn(word, " ");
    for (size_t i = 0; i < COUNT(state_words); i++)
        if (strlen(state_words[i].word) == len && !strncasecmp(word, state_words[i].word, len))
            return state_words[i].state;
    return SLURM_UNKNOWN;
}

bool slurm_state_is_over(enum slurm_state s)
{
    return s >= SLURM_COMPLETED;
}

const char *slurm_state_name(enum slurm_state s)
{
    return state_names[s];
}

enum slurm_state slurm_state_join(enum slurm_state a, enum slurm_state b)
{
    static const enum slurm_state winners[] = {SLURM_COMPLETING, SLURM_CONFIGURING,
                                               SLURM_SUSPENDED, SLURM_PENDING};
    for (size_t i = 0; i < COUNT(winners); i++)
        if (a == winners[i] || b == winners[i])
            return winners[i];
    return a == SLURM_UNKNOWN ? b : a;
}

/* The sentence of the table that stands in the line, or -1. */
static int find_sentence(const char *line, size_t len)
{
    for (size_t i = 0; i < COUNT(sentences); i++)
        if (memmem(line, len, sentences[i].sentence, strlen(sentences[i].sentence)))
            return (int)i;
    return -1;
}

/* Without what stands before every complaint of theirs. */
static void skip_heads(const char **line, size_t *len)
{
    static const char *const heads[] = {
        "sbatch: error: ", "scancel: error: ", "squeue: error: ",
        "sacct: error: ",  "sinfo: error: ",   "Batch job submission failed: "};
    for (size_t i = 0; i < COUNT(heads); i++) {
        size_t n = strlen(heads[i]);
        if (*len > n && !strncmp(*line, heads[i], n)) {
            *line += n;
            *len -= n;
        }
    }
}

static void tell(struct err *why, const char *line, size_t len, const char *remedy)
{
    skip_heads(&line, &len);
    char said[240];
    snprintf(said, sizeof(said), "%.*s", (int)(len < sizeof(said) ? len : sizeof(said) - 1),
             line);
    for (char *p = said; *p; p++) /* it goes into pages and logs: one line, nothing odd */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    if (!parse_is_utf8(said, strlen(said)))
        snprintf(said, sizeof(said), "an answer that is no text");
    err_set(why, 0, "Slurm: %s%s%s", said, remedy ? "; " : "", remedy ? remedy : "");
}

enum slurm_answer slurm_answer_read(const char *text, struct err *why)
{
    enum slurm_answer answer = SLURM_AMBIGUOUS;
    bool is_told = false;
    err_set(why, 0, "Slurm gave no answer");
    for (const char *line = text; *line; line += strspn(line, "\r\n")) {
        size_t len = strcspn(line, "\r\n");
        int i = find_sentence(line, len);
        if (i >= 0)
            answer = sentences[i].answer;
        if (len > 0 && (i >= 0 || !is_told))
            tell(why, line, len, i >= 0 ? sentences[i].remedy : NULL);
        if (i >= 0 && answer == SLURM_AMBIGUOUS)
            return answer;
        is_told = is_told || len > 0;
        line += len;
    }
    return answer;
}

/* Letters, digits and -_. : what names a cluster. */
static bool is_cluster(const char *text, size_t len)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return len > 0 && len <= SLURM_CLUSTER_MAX && text[0] != '-' &&
           strspn(text, letters) >= len;
}

int slurm_accepted_read(const char *text, struct slurm_accepted *out, struct err *e)
{
    struct slurm_accepted a = {0};
    char digits[16] = {0};
    size_t n = strspn(text, "0123456789");
    const char *rest = text + n;
    if (n > 0 && n < sizeof(digits))
        memcpy(digits, text, n);
    bool is_good = parse_i64(digits, 1, SLURM_ID_MAX, &a.id) == 0;
    if (is_good && *rest == ';') {
        size_t len = strcspn(++rest, "\n");
        is_good = is_cluster(rest, len);
        if (is_good)
            memcpy(a.cluster, rest, len);
        rest += len;
    }
    if (!is_good || strcmp(rest, "\n"))
        return err_set(e, -EINVAL, "sbatch: '%.64s' is not the id of a job", text);
    *out = a;
    return 0;
}

int slurm_version_read(const char *text, struct slurm_version *out, struct err *e)
{
    struct slurm_version v = {0};
    int end = 0;
    const char *digits = text + strcspn(text, "0123456789");
    if (strncmp(text, "slurm", 5) || strcspn(text, "0123456789\n") > 16 ||
        sscanf(digits, "%2d.%2d.%3d%n", &v.major, &v.minor, &v.patch, &end) != 3 || end == 0)
        return err_set(e, -EINVAL, "sinfo --version: '%.64s' is no version of Slurm", text);
    int release = v.major * 100 + v.minor;
    v.is_known = release >= 2205 && release < 2600;
    v.has_json = release >= 2205;
    *out = v;
    return 0;
}

/* One item of a TRES list, "gres/gpu:a100=4", added up. */
static int add_tres(const char *item, size_t len, int64_t *all, int64_t *typed,
                    char type[SLURM_TYPE_MAX + 1])
{
    char count[16] = {0};
    const char *is = memchr(item, '=', len);
    if (len < 8 || strncmp(item, "gres/gpu", 8) || !is || (item[8] != ':' && item[8] != '='))
        return 0;
    int64_t n;
    size_t digits = len - (size_t)(is - item) - 1;
    if (digits == 0 || digits >= sizeof(count))
        return -EINVAL;
    memcpy(count, is + 1, digits);
    if (parse_i64(count, 0, INT32_MAX, &n) < 0)
        return -EINVAL;
    if (item[8] == '=') {
        *all = n;
        return 0;
    }
    size_t letters = (size_t)(is - item) - 9;
    if (letters == 0 || letters > SLURM_TYPE_MAX)
        return -EINVAL;
    *typed = (*typed < 0 ? 0 : *typed) + n;
    if (*type)
        snprintf(type, SLURM_TYPE_MAX + 1, "mixed");
    else
        snprintf(type, SLURM_TYPE_MAX + 1, "%.*s", (int)letters, item + 9);
    return 0;
}

int slurm_tres_gpus(const char *tres, int64_t *out_gpus, char type[SLURM_TYPE_MAX + 1])
{
    int64_t all = -1, typed = -1;
    char found[SLURM_TYPE_MAX + 1] = "";
    for (const char *item = tres; *item; item += *item == ',') {
        size_t len = strcspn(item, ",");
        int r = add_tres(item, len, &all, &typed, found);
        if (r < 0)
            return r;
        item += len;
    }
    *out_gpus = all > typed ? all : typed;
    memcpy(type, found, sizeof(found));
    return 0;
}

const char *slurm_reason_text(const char *reason)
{
    static const struct {
        const char *begin, *text;
    } reasons[] = {
        {"Resources", "its nodes are busy"},
        {"Priority", "other jobs come first"},
        {"None", "it has not looked at it yet"},
        {"PartitionDown", "its partition is closed"},
        {"PartitionInactive", "its partition is closed"},
        {"PartitionTimeLimit", "it asks for more time than its partition allows"},
        {"PartitionNodeLimit", "it asks for more nodes than its partition allows"},
        {"ReqNodeNotAvail", "its nodes are down, drained or reserved"},
        {"Nodes required for job are DOWN", "its nodes are down, drained or reserved"},
        {"Reservation", "its nodes are reserved"},
        {"JobHeld", "an operator or its owner has told Slurm to hold it back"},
        {"Assoc", "a limit of its account in Slurm is reached"},
        {"QOS", "a limit of its QOS in Slurm is reached"},
    };
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (!strncmp(reason, reasons[i].begin, strlen(reasons[i].begin)))
            return reasons[i].text;
    return *reason ? reason : "it does not say why";
}

bool slurm_token_read(const char *comment, char out[SLURM_TOKEN_LEN + 1])
{
    size_t head = strlen(SLURM_COMMENT);
    out[0] = '\0';
    if (strncmp(comment, SLURM_COMMENT, head) ||
        strspn(comment + head, "0123456789abcdef") != SLURM_TOKEN_LEN ||
        comment[head + SLURM_TOKEN_LEN])
        return false;
    memcpy(out, comment + head, SLURM_TOKEN_LEN + 1);
    return true;
}

bool slurm_is_nothing(const char *text)
{
    for (size_t i = 0; i < COUNT(nothings); i++)
        if (!strcmp(text, nothings[i]))
            return true;
    return false;
}

int slurm_duration_read(const char *text, int64_t *out_s)
{
    static const int64_t century_s = INT64_C(36525) * 86400;
    int64_t days = 0, part = 0, s = 0;
    const char *p = text, *dash = strchr(text, '-');
    int colons = 0;
    for (; *p; p++) {
        if (*p >= '0' && *p <= '9') {
            part = part * 10 + (*p - '0');
            if (part > century_s)
                return -ERANGE;
            continue;
        }
        bool is_day = p == dash && p > text && colons == 0;
        if ((!is_day && *p != ':') || p == text || p[1] < '0' || p[1] > '9' || colons == 2)
            return -EINVAL;
        if (is_day)
            days = part;
        else
            s = (s + part) * 60;
        colons += !is_day;
        part = 0;
    }
    s += part;
    if (colons == 0 || (dash && colons != 2))
        return -EINVAL;
    if (days > 36525 || days * 86400 + s > century_s)
        return -ERANGE;
    *out_s = days * 86400 + s;
    return 0;
}

int64_t slurm_minutes(int64_t ms)
{
    return ms / 60000 + (ms % 60000 > 0);
}
