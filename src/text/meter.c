#include "text/meter.h"
#include "text/letters.h"
#include "text/tok_char.h"
#include <string.h>

enum lt_unit lt_unit(const char *name)
{
    static const char *const names[] = { "words", "tokens", "sentences", "characters" };
    int i = 0;
    while (i + 1 < LT_COUNT(names) && strcmp(name, names[i])) i++;
    return (enum lt_unit)i;
}
static bool stops(uint32_t c) { return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002; }
static bool closes(uint32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x2019 || c == 0x201D || c == 0xBB;
}

static void count_word(struct lt_meter *m, uint32_t c)
{
    uint32_t letter[LT_LETTERS_MAX];
    int letters = lt_letters(c, false, letter);
    bool joins = m->word && !m->apostrophe && lt_is_apostrophe(c);
    if (letters > 0 && !m->word) m->units++;
    if (letters >= 0 || joins) m->closing = 0;
    if (letters > 0) m->spaced = false;
    m->word = letters > 0 || (m->word && letters == 0) || joins;
    m->apostrophe = joins;
}

static void count_sentence(struct lt_meter *m, uint32_t c)
{
    bool space = lt_char_is_space(c);
    if (space && m->stopped) m->units++;
    if (stops(c)) m->stopped = true;
    else if (!closes(c)) m->stopped = false;
    if (!space) m->spaced = false;
    if (stops(c)) m->closing = 0;
}

void lt_meter_byte(struct lt_meter *m, enum lt_unit unit, uint8_t byte)
{
    uint32_t c = 0xFFFD;
    if (m->bytes == 4) m->bytes = 0;
    m->byte[m->bytes++] = (char)byte;
    m->closing = (uint16_t)LT_MIN(m->closing + 1, UINT16_MAX);
    if (m->bytes < lt_utf8_size(m->byte[0])) return;
    if (lt_utf8_bad(m->byte, m->bytes) == m->bytes) lt_utf8_get(m->byte, &c);
    m->bytes = 0;
    if (unit == LT_UNIT_CHARACTERS) m->units++;
    if (lt_char_is_space(c)) m->spaced = true;
    if (unit == LT_UNIT_WORDS) count_word(m, c);
    if (unit == LT_UNIT_SENTENCES) count_sentence(m, c);
}

int64_t lt_meter_end(const struct lt_meter *m, enum lt_unit unit)
{
    return m->units + (unit == LT_UNIT_SENTENCES && m->stopped) + (unit == LT_UNIT_CHARACTERS && m->bytes);
}

int64_t lt_measure(enum lt_unit unit, struct lt_str text)
{
    struct lt_meter m = { 0 };
    for (size_t i = 0; i < text.n; i++) lt_meter_byte(&m, unit, (uint8_t)text.p[i]);
    return lt_meter_end(&m, unit);
}
