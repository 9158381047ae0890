/* Characters: the classes that stages ask for. */
#ifndef LT_TOK_CHAR_H
#define LT_TOK_CHAR_H

#include "base/utf8.h"

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
