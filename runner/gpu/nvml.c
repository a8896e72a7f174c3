// SPDX-License-Identifier: Apache-2.0
/* The few calls of NVML that are needed, declared here and found at run time: there is no
 * header and no library to link where there is no driver. The ABI of these calls is stable
 * (their _v2 names). */
#include "runner/gpu/gpu.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"

enum {
    NVML_SUCCESS = 0,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_DRIVER = 9,
    NVML_NO_LIBRARY = 12,
    GPUS_MAX = 256
};

static const char library_name[] = "libnvidia-ml.so.1";

struct nvml_memory { /* nvmlMemory_t, bytes */
    unsigned long long total, free, used;
};

struct nvml_utilization { /* nvmlUtilization_t, percent */
    unsigned gpu, memory;
};

typedef void *nvml_device;

struct nvml {
    void *library;
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_string)(int code);
    int (*count)(unsigned *out);
    int (*device)(unsigned index, nvml_device *out);
    int (*uuid)(nvml_device d, char *out, unsigned size);
    int (*name)(nvml_device d, char *out, unsigned size);
    int (*memory)(nvml_device d, struct nvml_memory *out);
    int (*minor)(nvml_device d, unsigned *out);
    int (*utilization)(nvml_device d, struct nvml_utilization *out);
};

static bool find_calls(struct nvml *n)
{
    const struct {
        const char *name;
        void *out;
    } calls[] = {
        {"nvmlInit_v2", &n->init},
        {"nvmlShutdown", &n->shutdown},
        {"nvmlErrorString", &n->error_string},
        {"nvmlDeviceGetCount_v2", &n->count},
        {"nvmlDeviceGetHandleByIndex_v2", &n->device},
        {"nvmlDeviceGetUUID", &n->uuid},
        {"nvmlDeviceGetName", &n->name},
        {"nvmlDeviceGetMemoryInfo", &n->memory},
        {"nvmlDeviceGetMinorNumber", &n->minor},
        {"nvmlDeviceGetUtilizationRates", &n->utilization},
    };
    for (size_t i = 0; i < COUNT(calls); i++) {
        void *call = dlsym(n->library, calls[i].name);
        if (!call)
            return false;
        memcpy(calls[i].out, &call, sizeof(call));
    }
    return true;
}

static int failed(const struct nvml *n, int code, const char *what, struct err *e)
{
    return err_set(e, -EIO, "NVML: %s: %s", what, n->error_string(code));
}

static int read_gpu(const struct nvml *n, unsigned index, struct gpu *out, struct err *e)
{
    nvml_device d;
    struct nvml_memory memory;
    unsigned minor;
    int code = n->device(index, &d);
    if (code == NVML_SUCCESS)
        code = n->uuid(d, out->uuid, sizeof(out->uuid));
    if (code == NVML_SUCCESS)
        code = n->name(d, out->name, sizeof(out->name));
    if (code == NVML_SUCCESS)
        code = n->memory(d, &memory);
    if (code == NVML_SUCCESS)
        code = n->minor(d, &minor);
    if (code != NVML_SUCCESS)
        return failed(n, code, "a GPU", e);
    out->index = index;
    out->memory_bytes = (int64_t)memory.total;
    snprintf(out->device, sizeof(out->device), "/dev/nvidia%u", minor);
    return 0;
}

static int read_all(const struct nvml *n, struct gpu **out, size_t *out_count, struct err *e)
{
    unsigned count;
    int code = n->count(&count);
    if (code != NVML_SUCCESS || count > GPUS_MAX)
        return failed(n, code, "the number of GPUs", e);
    AUTO(cleanup_free) struct gpu *gpus = xnew_array(struct gpu, count + 1);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = read_gpu(n, i, &gpus[i], e);
    if (r < 0)
        return r;
    *out = TAKE(gpus);
    *out_count = count;
    return 0;
}

/* Loads and starts it. -ENODEV: there is none, or no driver. */
static int nvml_open(const char *library, struct nvml *n, struct err *e)
{
    *n = (struct nvml){.library = dlopen(library, RTLD_NOW | RTLD_LOCAL)};
    if (!n->library)
        return err_set(e, -ENODEV, "%s: is not here", library);
    int r = find_calls(n) ? 0 : err_set(e, -EIO, "%s: is no NVML that we know", library);
    int code = r < 0 ? NVML_SUCCESS : n->init();
    if (code == NVML_NO_DRIVER || code == NVML_NO_LIBRARY)
        r = err_set(e, -ENODEV, "NVML: there is no driver");
    else if (code != NVML_SUCCESS)
        r = failed(n, code, "start", e);
    if (r < 0)
        dlclose(n->library);
    return r;
}

static void nvml_close(struct nvml *n)
{
    n->shutdown();
    dlclose(n->library);
}

int gpu_list_from(const char *library, struct gpu **out, size_t *out_count, struct err *e)
{
    struct nvml n;
    *out = NULL;
    *out_count = 0;
    int r = nvml_open(library, &n, e);
    if (r < 0)
        return r == -ENODEV ? 0 : r;
    r = read_all(&n, out, out_count, e);
    nvml_close(&n);
    return r;
}

int gpu_list(struct gpu **out, size_t *out_count, struct err *e)
{
    return gpu_list_from(library_name, out, out_count, e);
}

struct gpu_watch {
    struct nvml nvml;
};

int gpu_watch_open_from(const char *library, struct gpu_watch **out, struct err *e)
{
    struct nvml n;
    *out = NULL;
    int r = nvml_open(library, &n, e);
    if (r < 0)
        return r;
    *out = xnew(struct gpu_watch);
    (*out)->nvml = n;
    return 0;
}

int gpu_watch_open(struct gpu_watch **out, struct err *e)
{
    return gpu_watch_open_from(library_name, out, e);
}

void gpu_watch_close(struct gpu_watch *w)
{
    if (!w)
        return;
    nvml_close(&w->nvml);
    free(w);
}

int gpu_watch_read(struct gpu_watch *w, int64_t index, int *out_percent, struct err *e)
{
    const struct nvml *n = &w->nvml;
    nvml_device d;
    struct nvml_utilization u;
    int code = n->device((unsigned)index, &d);
    if (code == NVML_SUCCESS)
        code = n->utilization(d, &u);
    if (code == NVML_NOT_SUPPORTED)
        return err_set(e, -ENOTSUP, "GPU %lld does not say what it does", (long long)index);
    if (code != NVML_SUCCESS)
        return failed(n, code, "what a GPU does", e);
    *out_percent = (int)u.gpu;
    return 0;
}
