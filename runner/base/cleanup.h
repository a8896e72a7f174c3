// SPDX-License-Identifier: Apache-2.0
/* The two GNU extensions this project allows itself, hidden behind three words.
 *
 *   AUTO(job_freep) struct job *job = …   calls job_freep(&job) when `job` leaves its scope
 *   TAKE(job)                             yields the value and leaves NULL behind
 *   COUNT(array)                          number of elements of a true array
 */
#ifndef FF_BASE_CLEANUP_H
#define FF_BASE_CLEANUP_H

#define AUTO(freep) __attribute__((cleanup(freep)))

#define TAKE(p)                                                                                \
    ({                                                                                         \
        typeof(p) take_value_ = (p);                                                           \
        (p) = NULL;                                                                            \
        take_value_;                                                                           \
    })

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Defines NAMEp(), the form AUTO() wants, from NAME(), which takes the pointer itself. */
#define AUTO_FREE(name, type)                                                                  \
    static inline void name##p(type **p)                                                       \
    {                                                                                          \
        name(*p);                                                                              \
    }

void cleanup_free(void *pointer_to_pointer); /* AUTO(cleanup_free) char *text = …; free(3) */
void cleanup_close(int *fd); /* AUTO(cleanup_close) int fd = …; closes fd >= 0 */

#endif
