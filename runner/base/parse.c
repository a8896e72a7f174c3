// SPDX-License-Identifier: Apache-2.0
/* Parsers of single values. Written by hand because strtol(3) takes blanks, '+', 0x and wraps.
 * */
#include "runner/base/parse.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits at *p into *out (at least one); advances *p. */
static int take_digits(const char **p, int64_t *out)
{
    int64_t n = 0;
    if (!is_digit(**p))
        return -EINVAL;
    for (; is_digit(**p); (*p)++) {
        if (__builtin_mul_overflow(n, (int64_t)10, &n) ||
            __builtin_add_overflow(n, (int64_t)(**p - '0'), &n))
            return -ERANGE;
    }
    *out = n;
    return 0;
}

static int in_range(int64_t n, int64_t min, int64_t max, int64_t *out)
{
    if (n < min || n > max)
        return -ERANGE;
    *out = n;
    return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    const char *p = text;
    bool negative = *p == '-';
    if (negative)
        p++;
    if (p[0] == '0' && is_digit(p[1]))
        return -EINVAL;
    int64_t n;
    int r = take_digits(&p, &n);
    while (is_digit(*p)) /* what is too long must still be a number */
        p++;
    if (*p)
        return -EINVAL;
    if (r < 0)
        return r;
    return in_range(negative ? -n : n, min, max, out);
}

/* HH:MM:SS; the hours may have any number of digits. */
static int parse_clock(const char *text, int64_t *out_ms)
{
    const char *p = text;
    int64_t hours, ms;
    int r = take_digits(&p, &hours);
    if (r < 0)
        return r;
    for (int i = 0; i < 2; i++, p += 3)
        if (p[0] != ':' || !is_digit(p[1]) || !is_digit(p[2]) || p[1] > '5')
            return -EINVAL;
    if (*p)
        return -EINVAL;
    int64_t minutes = (p[-5] - '0') * 10 + (p[-4] - '0');
    int64_t seconds = (p[-2] - '0') * 10 + (p[-1] - '0');
    if (__builtin_mul_overflow(hours, (int64_t)3600000, &ms) ||
        __builtin_add_overflow(ms, minutes * 60000 + seconds * 1000, &ms))
        return -ERANGE;
    *out_ms = ms;
    return 0;
}

/* "1d12h": numbers with units from large to small, each at most once; a bare number is seconds.
 * */
static int parse_units(const char *text, int64_t *out_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'d', 86400000}, {'h', 3600000}, {'m', 60000}, {'s', 1000}};
    const char *p = text;
    int64_t total = 0;
    size_t next = 0;
    do {
        int64_t n, part;
        int r = take_digits(&p, &n);
        if (r < 0)
            return r;
        char unit = *p ? *p++ : (next == 0 ? 's' : '\0');
        while (next < 4 && units[next].unit != unit)
            next++;
        if (next == 4)
            return -EINVAL;
        if (__builtin_mul_overflow(n, units[next++].ms, &part) ||
            __builtin_add_overflow(total, part, &total))
            return -ERANGE;
    } while (*p);
    *out_ms = total;
    return 0;
}

int parse_duration_ms(const char *text, int64_t min, int64_t max, int64_t *out_ms)
{
    int64_t ms;
    int r = strchr(text, ':') ? parse_clock(text, &ms) : parse_units(text, &ms);
    return r < 0 ? r : in_range(ms, min, max, out_ms);
}

int parse_size_bytes(const char *text, int64_t min, int64_t max, int64_t *out_bytes)
{
    static const char units[] = "KMGT";
    const char *p = text;
    int64_t n;
    int r = take_digits(&p, &n);
    if (r < 0)
        return r;
    if (*p) {
        const char *unit = strchr(units, *p);
        if (!unit || p[1])
            return -EINVAL;
        if (__builtin_mul_overflow(n, (int64_t)1 << (10 * (unit - units + 1)), &n))
            return -ERANGE;
    }
    return in_range(n, min, max, out_bytes);
}

int parse_bool(const char *text, bool *out)
{
    if (strcmp(text, "yes") && strcmp(text, "no"))
        return -EINVAL;
    *out = text[0] == 'y';
    return 0;
}

/* Exactly `count` digits at text. */
static int fixed_digits(const char *text, int count, int *out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return -EINVAL;
        n = n * 10 + (text[i] - '0');
    }
    *out = n;
    return 0;
}

int parse_month(const char *text, int *out_month)
{
    int year, month;
    if (fixed_digits(text, 4, &year) < 0 || text[4] != '-' ||
        fixed_digits(text + 5, 2, &month) < 0 || text[7])
        return -EINVAL;
    if (year < 2000 || year > 2199 || month < 1 || month > 12)
        return -ERANGE;
    *out_month = year * 100 + month;
    return 0;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar (counting years from March). */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

int parse_day(const char *text, int64_t *out_days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char head[8] = {0};
    int month, day;
    if (strlen(text) != 10 || text[7] != '-' || fixed_digits(text + 8, 2, &day) < 0)
        return -EINVAL;
    memcpy(head, text, 7);
    int r = parse_month(head, &month);
    if (r < 0)
        return r;
    int year = month / 100, m = month % 100;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > lengths[m - 1] + (leap && m == 2 ? 1 : 0))
        return -ERANGE;
    *out_days = days_from_civil(year, m, day);
    return 0;
}

int parse_gpu_hours(const char *text, int64_t max_milli, int64_t *out_milli)
{
    const char *p = text;
    int64_t whole, milli;
    int r = take_digits(&p, &whole);
    if (r < 0)
        return r;
    int fraction = 0;
    if (*p == '.') {
        int scale = 100;
        if (!is_digit(*++p))
            return -EINVAL;
        for (; is_digit(*p); p++, scale /= 10) {
            if (scale == 0)
                return -EINVAL;
            fraction += (*p - '0') * scale;
        }
    }
    if (*p)
        return -EINVAL;
    if (__builtin_mul_overflow(whole, (int64_t)1000, &milli) ||
        __builtin_add_overflow(milli, (int64_t)fraction, &milli))
        return -ERANGE;
    return in_range(milli, 0, max_milli, out_milli);
}

/* Length of the well-formed UTF-8 sequence at p (1 … 4), or 0. Unicode 15, table 3-7. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] ? 1 : 0;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool parse_is_utf8(const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    while (len) {
        size_t n = utf8_length(p, len);
        if (!n)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

bool parse_is_slug(const char *text, size_t max)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n > 0 && n <= max && !text[n] && text[0] != '-';
}

bool parse_has_control(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return true;
    return false;
}

void parse_duration_text(int64_t ms, char out[32])
{
    long long s = (long long)(ms / 1000), days = s / 86400;
    s %= 86400;
    if (days)
        snprintf(out, 32, "%lldd %02lld:%02lld:%02lld", days % 1000000, s / 3600, s / 60 % 60,
                 s % 60);
    else
        snprintf(out, 32, "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}
