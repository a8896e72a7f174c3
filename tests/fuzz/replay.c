// SPDX-License-Identifier: Apache-2.0
/* Feeds a fuzz target every file of its corpus, and some thousand mutations of each, from one
 * seed.
 *
 *   fuzz_NAME FOLDER [ROUNDS] */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { FILE_MAX = 64 * 1024, ROUNDS = 20000 };

static uint64_t random_state = 20261123;

/* xorshift64*: the same numbers on every machine (Vigna 2016). */
static uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

/* Changes a few bytes: set, flip, remove, repeat. Returns the new size. */
static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t likely[] = "\0\n\r\t \"'{}[]:,;=&%<>/\\-+09azAZ\x7f\xff\xc3\xed";
    for (uint64_t n = 1 + next_random() % 6; n > 0 && size > 0; n--) {
        size_t at = next_random() % size, len = 1 + next_random() % 16;
        switch (next_random() % 4) {
        case 0:
            data[at] = likely[next_random() % (sizeof(likely) - 1)];
            break;
        case 1:
            data[at] ^= (uint8_t)(1 << next_random() % 8);
            break;
        case 2:
            len = len > size - at ? size - at : len;
            memmove(data + at, data + at + len, size - at - len);
            size -= len;
            break;
        default:
            if (size + len > FILE_MAX || at + len > size)
                break;
            memmove(data + at + len, data + at, size - at);
            size += len;
            break;
        }
    }
    return size;
}

/* A copy of exactly `size` bytes, so that reading past the end is seen. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        abort();
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int replay(const char *path, int rounds)
{
    static uint8_t original[FILE_MAX], changed[FILE_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    size_t size = fread(original, 1, FILE_MAX, file);
    fclose(file);
    feed(original, size);
    for (int i = 0; i < rounds; i++) {
        memcpy(changed, original, size);
        feed(changed, mutate(changed, size));
    }
    return 0;
}

int main(int argc, char **argv)
{
    int files = 0, failed = 0;
    int rounds = argc == 3 ? (int)strtol(argv[2], NULL, 10) : ROUNDS;
    DIR *folder = argc == 2 || argc == 3 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER [ROUNDS]\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        failed += replay(path, rounds);
        files++;
    }
    closedir(folder);
    printf("%d files, %d inputs\n", files, files * (rounds + 1));
    return failed || files == 0;
}
