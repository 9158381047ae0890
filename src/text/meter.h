/* Lengths of texts in words, sentences and characters, counted byte by byte.
 *
 * A word is a run of letters and digits (text/letters.h), with apostrophes between them.  A sentence ends with . ! ? or
 * an ellipsis, and closing quotes or brackets after it, before white space or the end of the text. */
#ifndef LT_METER_H
#define LT_METER_H

#include "base/base.h"

enum lt_unit { LT_UNIT_WORDS, LT_UNIT_TOKENS, LT_UNIT_SENTENCES, LT_UNIT_CHARACTERS };
#define LT_UNIT_NAMES "words|tokens|sentences|characters"
enum lt_unit lt_unit(const char *name);         /* one of the names */

struct lt_meter {                               /* a zeroed struct is that of an empty text */
    int64_t units;                              /* begun words, sentences before white space, characters */
    char byte[4]; uint8_t bytes;                /* of an unfinished character */
    bool word, apostrophe, stopped, spaced;     /* in a word; after '; after . ! ?; white space since the last unit */
    uint16_t closing;                           /* bytes since the last word or the last . ! ? */
};
void lt_meter_byte(struct lt_meter *m, enum lt_unit unit, uint8_t byte);        /* tokens are counted elsewhere */
int64_t lt_meter_end(const struct lt_meter *m, enum lt_unit unit);      /* units if the text ended here */
int64_t lt_measure(enum lt_unit unit, struct lt_str text);

#endif
