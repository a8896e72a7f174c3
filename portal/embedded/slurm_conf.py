# SPDX-License-Identifier: Apache-2.0
"""The texts of a private Slurm's configuration: what we need of it, and why.

Each function takes the Slurm of slurm.py and returns the text of one file."""

ACCOUNTING_DATABASE = "slurm_accounting"

# What Firefly needs of a cluster.
NEEDED = {
    "JobRequeue": 0,  # a job that runs twice by itself could not be charged
    "AccountingStorageType": "accounting_storage/slurmdbd",
    "AccountingStoreFlags": "job_comment",  # there our token is found again
    "AccountingStorageEnforce": "associations,limits,qos",
    "EnforcePartLimits": "ALL",  # what the partition never takes is refused, not queued
    "GresTypes": "gpu",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_Core_Memory",
}

# What makes it quick, and one machine pass for several nodes.
QUICK = {
    "SlurmdParameters": "config_overrides",  # believe us, not the hardware
    "ReturnToService": 2,
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "bf_interval=1,sched_interval=1,batch_sched_delay=0",
    "PriorityType": "priority/multifactor",
    "PriorityWeightQOS": 10000,
    "PreemptType": "preempt/qos",
    "PreemptMode": "REQUEUE",
    "KillWait": 2,
    "MessageTimeout": 5,
    "SlurmctldTimeout": 30,
    "SlurmdTimeout": 30,
    "MinJobAge": 300,  # how long squeue still shows a job that has ended
    "JobAcctGatherType": "jobacct_gather/linux",
    "JobAcctGatherFrequency": "task=5",
    "DefMemPerCPU": 100,
    "MpiDefault": "none",
    "SwitchType": "switch/none",
}


def auth_info(slurm):
    """cred_expire is also how long a requeued job waits; less than 5 s is ignored."""
    return f"socket={slurm.munge_socket},cred_expire=5"


def slurm_conf(slurm):
    at = slurm.folder
    keys = {
        "ClusterName": slurm.cluster,
        "SlurmctldHost": f"{slurm.host}(127.0.0.1)",
        "SlurmctldPort": slurm.ports["slurmctld"],
        "SlurmUser": slurm.user,
        "SlurmdUser": slurm.user,
        "AuthType": "auth/munge",
        "AuthInfo": auth_info(slurm),
        "CredType": "cred/munge",
        "StateSaveLocation": at / "state",
        "SlurmdSpoolDir": at / "spool/%n",
        "SlurmctldPidFile": at / "run/slurmctld.pid",
        "SlurmdPidFile": at / "run/%n.pid",
        "SlurmctldSyslogDebug": "quiet",
        "SlurmdSyslogDebug": "quiet",
        "CommunicationParameters": slurm.communication,
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": slurm.ports["slurmdbd"],
        "AccountingStoragePass": slurm.munge_socket,
        "AccountingStorageTRES": f"gres/gpu,gres/gpu:{slurm.gpu_type}",
        "ProctrackType": "proctrack/" + ("cgroup" if slurm.is_confined else "linuxproc"),
        "TaskPlugin": "task/" + ("cgroup" if slurm.is_confined else "none"),
        **NEEDED, **QUICK, **slurm.options,
    }
    lines = [text_of(keys)]
    for node in slurm.nodes:
        lines.append(f"NodeName={node} NodeHostname={slurm.host} NodeAddr=127.0.0.1 "
                     f"Port={slurm.ports[node]} CPUs={slurm.cpus} Boards=1 SocketsPerBoard=1 "
                     f"CoresPerSocket={slurm.cpus} ThreadsPerCore=1 "
                     f"RealMemory={slurm.memory_mib} Gres=gpu:{slurm.gpu_type}:{slurm.gpus}")
    lines.append(f"PartitionName={slurm.partition} Nodes={','.join(slurm.nodes)} Default=YES "
                 "MaxTime=7-0 State=UP OverSubscribe=NO")
    return "\n".join(lines) + "\n"


def text_of(keys):
    return "".join(f"{key}={value}\n" for key, value in keys.items() if value is not None)


def gres_conf(slurm):
    """Files, because without them Slurm gives a job no CUDA_VISIBLE_DEVICES."""
    return (f"NodeName={','.join(slurm.nodes)} Name=gpu Type={slurm.gpu_type} "
            f"File={','.join(slurm.devices)}\n")


def cgroup_conf(slurm):
    """Below a folder of the site's own, so that the groups of two clusters do not meet."""
    if not slurm.is_confined:
        return "CgroupPlugin=cgroup/v1\n"  # nobody asks it; the default would look around
    return (f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={slurm.folder}/cgroup\n"
            "ConstrainDevices=yes\nConstrainRAMSpace=yes\nConstrainCores=no\n")


def slurmdbd_conf(slurm):
    """The database's root has no password; who may come to its socket is decided there. No
    CommitDelay: it answers for records that a killed slurmdbd then never had."""
    keys = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={slurm.munge_socket}",
        "CommunicationParameters": slurm.communication,
        "DbdHost": slurm.host,
        "DbdAddr": "127.0.0.1",
        "DbdPort": slurm.ports["slurmdbd"],
        "SlurmUser": slurm.user,
        "DebugLevel": "info",
        "DebugLevelSyslog": "quiet",
        "PidFile": slurm.folder / "run/slurmdbd.pid",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",
        "StorageUser": "root",
        "StorageLoc": ACCOUNTING_DATABASE,
    }
    return text_of(keys)
