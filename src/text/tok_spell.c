/* The GPT-2 alphabet: every byte is one printable character.  Printable Latin-1 stands for itself, the other 68 bytes
 * are U+0100 .. U+0143 in ascending order. */
#include "text/tok_char.h"
#include "text/tokenizer.h"

static bool stands(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* Bytes below that do not stand for themselves. */
static unsigned rank_below(unsigned byte)
{
    return byte <= 0x20 ? byte : byte < 0x7F ? 0x21 : byte <= 0xA0 ? byte - 0x7F + 0x21 : 0x43;
}

void lt_tok_spell(struct lt_buf *out, struct lt_str bytes)
{
    char *p = lt_buf_room(out, 2 * bytes.n);
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned byte = (uint8_t)bytes.p[i];
        n += (size_t)lt_utf8_put(p + n, stands(byte) ? byte : 0x100 + rank_below(byte));
    }
    out->n += n;
    p[n] = 0;
}

bool lt_tok_unspell(struct lt_buf *out, struct lt_str piece)
{
    for (size_t i = 0; i < piece.n;) {
        if (lt_utf8_bad(piece.p + i, LT_MIN(piece.n - i, (size_t)lt_utf8_size(piece.p[i]))) == 0)
            return false;
        uint32_t c;
        i += (size_t)lt_utf8_get(piece.p + i, &c);
        unsigned r = c - 0x100;
        if (c >= 0x144 || (c < 0x100 && !stands(c)))
            return false;
        if (c >= 0x100)
            c = r <= 0x20 ? r : r <= 0x42 ? r - 0x21 + 0x7F : 0xAD;
        lt_buf_char(out, (char)c);
    }
    return true;
}
