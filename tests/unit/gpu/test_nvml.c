// SPDX-License-Identifier: Apache-2.0
/* NVML by dlopen, against small libraries that this test compiles: a whole one, ones whose
 * calls fail, one without a driver, and one that is something else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/gpu/gpu.h"
#include "tests/unit/test.h"

static char folder[] = "/tmp/ffXXXXXX";

static const char source[] =
    "#include <string.h>\n"
    "#ifndef INIT\n#define INIT 0\n#endif\n#ifndef UUID\n#define UUID 0\n#endif\n"
    "#ifndef BUSY\n#define BUSY 0\n#endif\n"
    "struct utilization { unsigned gpu, memory; };\n"
    "struct memory { unsigned long long total, free, used; };\n"
    "static int devices[2] = {7, 3};\n"
    "int nvmlInit_v2(void) { return INIT; }\n"
    "int nvmlShutdown(void) { return 0; }\n"
    "const char *nvmlErrorString(int c) { return c == 15 ? \"GPU is lost\" : \"other\"; }\n"
    "int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }\n"
    "int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = &devices[i]; return 0; }\n"
    "int nvmlDeviceGetUUID(void *d, char *s, unsigned n)\n"
    "{ (void)n; strcpy(s, d == devices ? \"GPU-a\" : \"GPU-b\"); return UUID; }\n"
    "int nvmlDeviceGetName(void *d, char *s, unsigned n)\n"
    "{ (void)d; (void)n; strcpy(s, \"Fake H100\"); return 0; }\n"
    "int nvmlDeviceGetMemoryInfo(void *d, struct memory *m)\n"
    "{ (void)d; m->total = 85899345920ull; return 0; }\n"
    "int nvmlDeviceGetUtilizationRates(void *d, struct utilization *u)\n"
    "{ u->gpu = d == devices ? 97 : 4; u->memory = 50; return BUSY; }\n"
    "int nvmlDeviceGetMinorNumber(void *d, unsigned *n) { *n = *(int *)d; return 0; }\n";

/* Compiles the library with a definition; the path is good until the next call. */
static const char *library(const char *definition, const char *text)
{
    static char path[64];
    char code[64];
    int status;
    snprintf(code, sizeof(code), "%s/nvml.c", folder);
    snprintf(path, sizeof(path), "%s/%s.so", folder, definition);
    FILE *file = fopen(code, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    char *const argv[] = {"cc", "-shared",          "-fPIC", "-o", path,
                          "-D", (char *)definition, code,    NULL};
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unlink(code);
    return path;
}

static int ask(const char *path, struct gpu **out, size_t *count, struct err *e)
{
    int r = gpu_list_from(path, out, count, e);
    unlink(path);
    return r;
}

static void gpus_are_listed_with_their_devices(void **state)
{
    AUTO(cleanup_free) struct gpu *gpus = NULL;
    size_t count;
    (void)state;
    assert_int_equal(ask(library("INIT=0", source), &gpus, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_int_equal(gpus[1].index, 1);
    assert_string_equal(gpus[0].uuid, "GPU-a");
    assert_string_equal(gpus[0].device, "/dev/nvidia7");
    assert_string_equal(gpus[1].device, "/dev/nvidia3");
    assert_string_equal(gpus[1].name, "Fake H100");
    assert_int_equal(gpus[1].memory_bytes, 85899345920);
}

static void no_library_and_no_driver_are_no_gpus(void **state)
{
    struct gpu *gpus;
    size_t count = 7;
    (void)state;
    assert_int_equal(gpu_list_from("libno-such-nvml.so.1", &gpus, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(ask(library("INIT=9", source), &gpus, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_null(gpus);
}

static void a_driver_that_fails_says_what_it_said(void **state)
{
    static const char *const definitions[] = {"INIT=15", "UUID=15"};
    struct gpu *gpus;
    size_t count;
    struct err why;
    (void)state;
    for (size_t i = 0; i < COUNT(definitions); i++) {
        assert_int_equal(ask(library(definitions[i], source), &gpus, &count, &why), -EIO);
        assert_non_null(strstr(why.text, "GPU is lost"));
        assert_int_equal(count, 0);
    }
    assert_int_equal(ask(library("OTHER", "int x;"), &gpus, &count, &why), -EIO);
}

static void a_watch_tells_what_each_gpu_does(void **state)
{
    struct gpu_watch *w;
    int percent = -1;
    const char *path = library("BUSY=0", source);
    (void)state;
    assert_int_equal(gpu_watch_open_from(path, &w, NULL), 0);
    unlink(path);
    assert_int_equal(gpu_watch_read(w, 0, &percent, NULL), 0);
    assert_int_equal(percent, 97);
    assert_int_equal(gpu_watch_read(w, 1, &percent, NULL), 0);
    assert_int_equal(percent, 4);
    gpu_watch_close(w);
}

static void a_watch_says_why_a_gpu_tells_nothing(void **state)
{
    static const struct {
        const char *definition;
        int want;
        const char *words;
    } cases[] = {{"BUSY=3", -ENOTSUP, "does not say"}, {"BUSY=15", -EIO, "GPU is lost"}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gpu_watch *w;
        struct err why;
        int percent = -1;
        const char *path = library(cases[i].definition, source);
        assert_int_equal(gpu_watch_open_from(path, &w, NULL), 0);
        unlink(path);
        assert_int_equal(gpu_watch_read(w, 0, &percent, &why), cases[i].want);
        assert_non_null(strstr(why.text, cases[i].words));
        assert_int_equal(percent, -1);
        gpu_watch_close(w);
    }
}

static void without_a_library_or_a_driver_there_is_no_watch(void **state)
{
    struct gpu_watch *w;
    struct err why;
    const char *path = library("INIT=9", source);
    (void)state;
    assert_int_equal(gpu_watch_open_from("libno-such-nvml.so.1", &w, &why), -ENODEV);
    assert_null(w);
    assert_int_equal(gpu_watch_open_from(path, &w, &why), -ENODEV);
    unlink(path);
    gpu_watch_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpus_are_listed_with_their_devices),
        cmocka_unit_test(no_library_and_no_driver_are_no_gpus),
        cmocka_unit_test(a_driver_that_fails_says_what_it_said),
        cmocka_unit_test(a_watch_tells_what_each_gpu_does),
        cmocka_unit_test(a_watch_says_why_a_gpu_tells_nothing),
        cmocka_unit_test(without_a_library_or_a_driver_there_is_no_watch),
    };
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
