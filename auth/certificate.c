// SPDX-License-Identifier: Apache-2.0
/* Walks the first fields of TBSCertificate with libldap's own BER reader. */
#include "auth/certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <ldap.h>

#include "runner/base/cleanup.h"

enum {
    TAG_INTEGER = 0x02,
    TAG_UTC_TIME = 0x17,
    TAG_GENERALIZED_TIME = 0x18,
    TAG_SEQUENCE = 0x30,
    TAG_VERSION = 0xa0
};

static void free_ber(BerElement **ber)
{
    ber_free(*ber, 0);
}

static bool two_digits(const char *text, int *out)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    *out = (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

/* "YYMMDDhhmmssZ" (years 1950 to 2049) or "YYYYMMDDhhmmssZ", RFC 5280, 4.1.2.5. */
static int read_time(ber_tag_t tag, const struct berval *text, int64_t *out_ms)
{
    int century = 0, part[6];
    size_t at = tag == TAG_GENERALIZED_TIME ? 2 : 0;
    if (text->bv_len != at + 13 || text->bv_val[at + 12] != 'Z')
        return -EINVAL;
    if (at && !two_digits(text->bv_val, &century))
        return -EINVAL;
    for (size_t i = 0; i < COUNT(part); i++)
        if (!two_digits(text->bv_val + at + 2 * i, &part[i]))
            return -EINVAL;
    if (!at)
        century = part[0] < 50 ? 20 : 19;
    struct tm tm = {.tm_year = century * 100 + part[0] - 1900,
                    .tm_mon = part[1] - 1,
                    .tm_mday = part[2],
                    .tm_hour = part[3],
                    .tm_min = part[4],
                    .tm_sec = part[5]};
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return 0;
}

static bool skip(BerElement *ber, ber_tag_t wanted)
{
    struct berval ignored;
    return ber_skip_element(ber, &ignored) == wanted;
}

/* The subject is given to libldap with its header; `body` points behind it. */
static int read_subject(const struct berval *body, char *out, size_t size)
{
    size_t header = body->bv_len < 0x80 ? 2 : body->bv_len < 0x100 ? 3 : 4;
    struct berval name = {.bv_val = body->bv_val - header, .bv_len = body->bv_len + header};
    struct berval text = {0};
    if (ldap_X509dn2bv(&name, &text, NULL, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return -EINVAL;
    size_t len = text.bv_len < size ? text.bv_len : size - 1;
    if (len)
        memcpy(out, text.bv_val, len);
    out[len] = '\0';
    ldap_memfree(text.bv_val);
    return 0;
}

int certificate_read(const void *der, size_t len, struct certificate *out)
{
    struct berval all = {.bv_val = (char *)der, .bv_len = len}, until, subject;
    struct certificate found = {0};
    ber_len_t size;
    AUTO(free_ber) BerElement *ber = ber_alloc_t(LBER_USE_DER);
    if (!ber)
        return -ENOMEM;
    ber_init2(ber, &all, LBER_USE_DER);
    if (ber_skip_tag(ber, &size) != TAG_SEQUENCE || ber_skip_tag(ber, &size) != TAG_SEQUENCE)
        return -EINVAL;
    if (ber_peek_tag(ber, &size) == TAG_VERSION && !skip(ber, TAG_VERSION))
        return -EINVAL;
    if (!skip(ber, TAG_INTEGER) || !skip(ber, TAG_SEQUENCE) || !skip(ber, TAG_SEQUENCE) ||
        ber_skip_tag(ber, &size) != TAG_SEQUENCE)
        return -EINVAL;
    ber_tag_t tag = ber_skip_element(ber, &until);
    if (tag == TAG_UTC_TIME || tag == TAG_GENERALIZED_TIME)
        tag = ber_skip_element(ber, &until);
    if ((tag != TAG_UTC_TIME && tag != TAG_GENERALIZED_TIME) ||
        read_time(tag, &until, &found.not_after_ms) < 0 ||
        ber_skip_element(ber, &subject) != TAG_SEQUENCE ||
        read_subject(&subject, found.subject, sizeof(found.subject)) < 0)
        return -EINVAL;
    *out = found;
    return 0;
}
