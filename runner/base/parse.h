// SPDX-License-Identifier: Apache-2.0
/* Text from outside into typed values. Pure; nothing is trimmed, guessed or rounded.
 *
 * Each returns 0, -EINVAL (not of the form) or -ERANGE (outside min … max), and writes the
 * output only on success.
 */
#ifndef FF_BASE_PARSE_H
#define FF_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits with an optional '-'; no '+', no blanks, no leading zeros but "0" itself. */
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *out);

/* "90" and "90s" are seconds; "30m", "2h", "1d12h" (units once each, falling); "HH:MM:SS",
 * "HH:MM" is refused, minutes and seconds below 60. Milliseconds out. */
int parse_duration_ms(const char *text, int64_t min, int64_t max, int64_t *out_ms);

/* "512", "64K", "16G", "1T": powers of 1024. */
int parse_size_bytes(const char *text, int64_t min, int64_t max, int64_t *out_bytes);

/* "yes" or "no". */
int parse_bool(const char *text, bool *out);

/* "2026-11" into 202611; years 2000 to 2199. */
int parse_month(const char *text, int *out_month);

/* "2026-11-23", days since 1970-01-01. */
int parse_day(const char *text, int64_t *out_days);

/* GPU-hours with at most three decimals ("118.5") into thousandths of an hour; exact. */
int parse_gpu_hours(const char *text, int64_t max_milli, int64_t *out_milli);

bool parse_is_utf8(const char *data, size_t len); /* well-formed; NUL counts as ill-formed */
bool parse_is_slug(const char *text, size_t max); /* [a-z0-9][a-z0-9-]*, 1 … max bytes */
bool parse_has_control(const char *text);         /* any of C0 or DEL */

/* Writes "1d 12:00:00" or "02:30:00"; out has room for 32 bytes. */
void parse_duration_text(int64_t ms, char out[32]);

#endif
