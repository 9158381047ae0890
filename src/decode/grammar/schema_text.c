/* JSON Schema's texts: lengths, patterns, formats, and all of them together. */
#include "decode/grammar/schema.h"
#include "text/tok_char.h"

#include <stdlib.h>
#include <string.h>

/* Years 0001 to 9999, February's 29th where it is: what RFC 3339 and calendars agree on. */
#define YEAR "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define LEAP "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
#define DATE "(" YEAR "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
             "02-(0[1-9]|1[0-9]|2[0-8]))|" LEAP "-02-29)"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4 "(" BYTE "\\.){3}" BYTE
#define HEX4 "[0-9a-fA-F]{1,4}"
#define CHAR "[a-zA-Z0-9._~!$&'()*+,;=:@-]"
#define CLOCK "T([0-9]{1,4}H([0-9]{1,4}M([0-9]{1,4}S)?)?|[0-9]{1,4}M([0-9]{1,4}S)?|[0-9]{1,4}S)"
#define QUERY "(\\?[a-zA-Z0-9._~!$&'()*+,;=:@/?-]*)?(#[a-zA-Z0-9._~!$&'()*+,;=:@/?-]*)?"
static const struct { const char *name, *pattern; } formats[] = {
    { "date", DATE }, { "time", TIME }, { "date-time", DATE "T" TIME },
    { "duration", "P([0-9]{1,4}W|([0-9]{1,4}Y([0-9]{1,4}M([0-9]{1,4}D)?)?|[0-9]{1,4}M([0-9]{1,4}D)?|[0-9]{1,4}D)"
                  "(" CLOCK ")?|" CLOCK ")" },
    { "email", "[a-zA-Z0-9_+-]{1,20}(\\.[a-zA-Z0-9_+-]{1,20}){0,2}@" LABEL "(\\." LABEL "){1,3}" },
    { "hostname", LABEL "(\\." LABEL "){0,3}" },
    { "ipv4", IPV4 },
    { "ipv6", "(" HEX4 ":){7}" HEX4 "|::(" HEX4 "(:" HEX4 "){0,6})?|" HEX4 "::(" HEX4 "(:" HEX4 "){0,5})?|"
              HEX4 "(:" HEX4 "){1}::(" HEX4 "(:" HEX4 "){0,4})?|" HEX4 "(:" HEX4 "){2}::(" HEX4 "(:" HEX4 "){0,3})?|"
              HEX4 "(:" HEX4 "){3}::(" HEX4 "(:" HEX4 "){0,2})?|" HEX4 "(:" HEX4 "){4}::(" HEX4 "(:" HEX4 ")?)?|"
              HEX4 "(:" HEX4 "){5}::(" HEX4 ")?|::ffff:" IPV4 },
    { "uuid", "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}" },
    { "uri", "[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[a-zA-Z0-9.-]{1,100}(:[0-9]{1,4})?(/" CHAR "*)*"
             QUERY },
    { "uri-reference", "(/?[a-zA-Z0-9._~-]+(/" CHAR "*)*)?" QUERY },
    { "json-pointer", "(/([^~/]|~[01])*)*" },
};

static const char *format_pattern(const char *name)
{
    for (int i = 0; i < LT_COUNT(formats); i++)
        if (!strcmp(formats[i].name, name)) return formats[i].pattern;
    return NULL;
}

bool lt_schema_format_known(const char *name) { return format_pattern(name) != NULL; }

struct lt_gx *lt_schema_format(struct lt_schema *s, const char *name)
{
    return lt_gx_regex(&s->b, name, lt_str(format_pattern(name)), false);
}

struct lt_gx *lt_schema_pattern(struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *text)
{
    struct lt_gx *x = lt_gx_regex(&s->b, key, lt_str(text), true);
    if (x) return x;
    char *why = lt_strdup(lt_error());
    lt_schema_fail(s, at, key, why);
    free(why);
    return NULL;
}

struct lt_gx *lt_schema_exactly(struct lt_schema *s, const char *text)
{
    struct lt_gx *x = lt_gx_empty(&s->b);
    while (*text) {
        uint32_t c;
        text += lt_utf8_get(text, &c);
        x = lt_gx_seq(&s->b, x, lt_gx_class(&s->b, &(struct lt_gspan){ c, c }, 1, false));
    }
    return lt_gx_quoted(&s->b, x);
}

/* *x becomes what it holds and y too, or with `but` not; *x NULL at first: everything. */
static int narrow(struct lt_schema *s, struct lt_gx **x, bool *begun, struct lt_gx *y, bool but)
{
    struct lt_gx *q = y ? lt_gx_quoted(&s->b, y) : NULL, *every;
    if (!q) return -1;
    if (!*begun && !but) {
        *begun = true;
        *x = q;
        return 0;
    }
    every = lt_gx_quoted(&s->b, lt_gx_repeat(&s->b, lt_gx_class(&s->b, NULL, 0, true), 0, -1));
    if (!*begun) *x = every;
    *begun = true;
    return but ? lt_gx_but(&s->b, *x, q, x) : lt_gx_both(&s->b, *x, q, x);
}

int lt_schema_texts(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at, struct lt_gx **out)
{
    static const char *const keys[] = { "pattern", "format", LT_SCHEMA_NOT_PATTERN };
    json_t *only = json_object_get(one, "only"), *v;
    struct lt_gx *any = lt_gx_class(&s->b, NULL, 0, true);
    int64_t min = 0, max = -1;
    bool begun = false;
    size_t i;
    *out = NULL;
    json_array_foreach(only, i, v) {
        int fits = lt_schema_fits_case(s, one, v, at);
        if (fits < 0) return -1;
        if (fits) *out = lt_gx_alt(&s->b, lt_schema_exactly(s, json_string_value(v)), *out);
    }
    if (only) return 0;
    for (int k = 0; k < LT_COUNT(keys); k++)
        json_array_foreach(json_object_get(one, keys[k]), i, v) {
            const char *text = json_string_value(v);
            struct lt_gx *x = k == 1 ? lt_schema_format(s, text) : lt_schema_pattern(s, at, "pattern", text);
            if (narrow(s, out, &begun, x, k == 2)) return -1;
        }
    int bounded = lt_schema_bound(s, one, at, "minLength", &min) + lt_schema_bound(s, one, at, "maxLength", &max);
    if (max >= 0 && max < min) {
        *out = NULL;
        return 0;
    }
    if ((bounded || !begun) && narrow(s, out, &begun, lt_gx_repeat(&s->b, any, min, max), false)) return -1;
    json_array_foreach(json_object_get(one, LT_SCHEMA_EXCEPT), i, v) {
        if (!json_is_string(v)) continue;
        if (lt_gx_but(&s->b, *out, lt_schema_exactly(s, json_string_value(v)), out)) return -1;
    }
    return 0;
}

struct lt_gx *lt_schema_string(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    static const char *const canonical[] = { "pattern", "format", LT_SCHEMA_NOT_PATTERN, LT_SCHEMA_EXCEPT, "only" };
    struct lt_gx *quote = lt_schema_z(s, "\""), *x = NULL;
    int64_t min = 0, max = -1;
    bool plain = true;
    for (int i = 0; i < LT_COUNT(canonical); i++) plain &= !json_object_get(one, canonical[i]);
    int least = lt_schema_bound(s, one, at, "minLength", &min), most = lt_schema_bound(s, one, at, "maxLength", &max);
    if (plain && !least && !most) return lt_schema_call(s, LT_SCHEMA_STRING);
    if (plain && most && max < min) return lt_schema_none(s, at, "maxLength", "expected at least minLength");
    if (plain) x = lt_gx_repeat(&s->b, lt_schema_call(s, LT_SCHEMA_CHAR), min, max);
    else if (lt_schema_texts(s, one, at, &x)) {
        char *why = lt_strdup(lt_error());
        if (!strstr(why, ": #")) lt_schema_fail(s, at, NULL, why);
        free(why);
        return NULL;
    }
    return x ? lt_schema_seq(s, quote, x, quote) : lt_schema_none(s, at, "pattern", "no text is allowed");
}
