/* Characters: UTF-8 and the classes that stages ask for. */
#ifndef LT_TOK_CHAR_H
#define LT_TOK_CHAR_H

#include "base/base.h"

/* Offset of the first byte that is not part of well-formed UTF-8; n when there is none.  NUL is a character. */
size_t lt_utf8_bad(const char *p, size_t n);
/* Bytes from p on, at least one, until well-formed UTF-8 begins again. */
size_t lt_utf8_bad_run(const char *p, size_t n);
/* Bytes at p, n > 0, that are read as one: a character (*good), or else the longest beginning of one, at least a byte.
 * *more: the text ends where only the rest of a character lacks. */
size_t lt_utf8_part(const char *p, size_t n, bool *good, bool *more);

/* The character at p in well-formed UTF-8 and its length. */
static inline int lt_utf8_get(const char *p, uint32_t *c)
{
    const uint8_t *u = (const uint8_t *)p;
    if (u[0] < 0x80) {
        *c = u[0];
        return 1;
    }
    if (u[0] < 0xE0) {
        *c = (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
        return 2;
    }
    if (u[0] < 0xF0) {
        *c = (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
        return 3;
    }
    *c = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 | (uint32_t)(u[2] & 0x3F) << 6 | (u[3] & 0x3F);
    return 4;
}
static inline int lt_utf8_size(char first)
{
    uint8_t u = (uint8_t)first;
    return u < 0x80 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}
/* Writes at most 4 bytes; the length. */
int lt_utf8_put(char *p, uint32_t c);

enum lt_char_class { LT_CHAR_OTHER, LT_CHAR_LETTER, LT_CHAR_NUMBER, LT_CHAR_SPACE };
extern const uint8_t lt_char_ascii[128];
enum lt_char_class lt_char_class_wide(uint32_t c);
/* \p{L}, \p{N}, White_Space, or none of them. */
static inline enum lt_char_class lt_char_class(uint32_t c)
{
    return c < 128 ? (enum lt_char_class)lt_char_ascii[c] : lt_char_class_wide(c);
}
bool lt_char_is_space(uint32_t c);      /* White_Space */
bool lt_char_is_number(uint32_t c);     /* Nd, Nl, No */
bool lt_char_is_punct(uint32_t c);      /* ASCII punctuation or P* */
bool lt_char_is_word(uint32_t c);       /* \w: Alphabetic, M, Nd, Pc, Join_Control */
bool lt_char_is_mark(uint32_t c);       /* Mn */
bool lt_char_is_lower(uint32_t c);      /* Ll */
bool lt_char_is_upper(uint32_t c);      /* Lu, Lt */
bool lt_char_is_control(uint32_t c);    /* Cc, Cf, Cn, Co, save \t \n \r */
bool lt_char_is_chinese(uint32_t c);    /* as BERT has it */
/* Full lower case: one character or two. */
int lt_char_lower(uint32_t c, uint32_t out[2]);

#endif
