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

enum { NVML_SUCCESS = 0, NVML_NO_DRIVER = 9, NVML_NO_LIBRARY = 12, GPUS_MAX = 256 };

struct nvml_memory { /* nvmlMemory_t, bytes */
    unsigned long long total, free, used;
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

int gpu_list_from(const char *library, struct gpu **out, size_t *out_count, struct err *e)
{
    struct nvml n = {.library = dlopen(library, RTLD_NOW | RTLD_LOCAL)};
    *out = NULL;
    *out_count = 0;
    if (!n.library)
        return 0;
    int r = find_calls(&n) ? 0 : err_set(e, -EIO, "%s: is no NVML that we know", library);
    int code = r < 0 ? NVML_NO_LIBRARY : n.init();
    if (code == NVML_SUCCESS) {
        r = read_all(&n, out, out_count, e);
        n.shutdown();
    } else if (r == 0 && code != NVML_NO_DRIVER && code != NVML_NO_LIBRARY) {
        r = failed(&n, code, "start", e);
    }
    dlclose(n.library);
    return r;
}

int gpu_list(struct gpu **out, size_t *out_count, struct err *e)
{
    return gpu_list_from("libnvidia-ml.so.1", out, out_count, e);
}
