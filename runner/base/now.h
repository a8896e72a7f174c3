// SPDX-License-Identifier: Apache-2.0
/* The clocks. Decisions take time as an argument; only the thin layer around them calls these.
 *
 *   now_ms       wall clock, milliseconds since 1970 UTC: for people, records and the database
 *   now_mono_ms  never steps: for deadlines inside one process
 *   now_boot_ms  counts while the machine sleeps, starts at 0 with the boot: for run time, together
 *                with now_boot_id, which tells one boot from the next
 */
#ifndef FF_BASE_NOW_H
#define FF_BASE_NOW_H

#include <stdint.h>

enum { BOOT_ID_LEN = 36 };

int64_t now_ms(void);
int64_t now_mono_ms(void);
int64_t now_boot_ms(void);
const char *now_boot_id(void); /* 36 characters and NUL; "" if the kernel does not say */

/* The first moment of a day (counted from 1970-01-01) in the zone of the process, also where its
 * midnight does not exist. */
int64_t now_day_start_ms(int64_t days);

/* "2026-11-23 20:15:02" in the zone of the process; out has room for 20 bytes. */
void now_text(int64_t at_ms, char out[20]);

#endif
