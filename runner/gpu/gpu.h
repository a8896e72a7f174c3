// SPDX-License-Identifier: Apache-2.0
/* The GPUs of this machine, by NVML, which is loaded at run time: a machine without a driver
 * has none, and that is an answer, not an error.
 */
#ifndef FF_GPU_GPU_H
#define FF_GPU_GPU_H

#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"

struct gpu {
    int64_t index;   /* as NVML counts: in the order of the PCI bus */
    char uuid[96];   /* "GPU-…" */
    char name[96];   /* "NVIDIA H100 80GB HBM3" */
    char device[32]; /* "/dev/nvidia0" */
    int64_t memory_bytes;
};

/* Caller frees *out with free(). No library or no driver: 0 and no GPUs. A driver that fails:
 * -EIO, and the sentence says what NVML said. */
int gpu_list(struct gpu **out, size_t *out_count, struct err *e);

/* The same from a library of another name. */
int gpu_list_from(const char *library, struct gpu **out, size_t *out_count, struct err *e);

/* What the GPUs are doing. A driver may hang: for a worker, one at a time. */
struct gpu_watch;
/* -ENODEV: no library or no driver. */
int gpu_watch_open(struct gpu_watch **out, struct err *e);
int gpu_watch_open_from(const char *library, struct gpu_watch **out, struct err *e);
void gpu_watch_close(struct gpu_watch *w);

/* In how many percent of the last moment (a second or less) GPU `index` did something.
 * -ENOTSUP: such a GPU does not say (MIG). -EIO: the driver failed; open it again. */
int gpu_watch_read(struct gpu_watch *w, int64_t index, int *out_percent, struct err *e);

#endif
