/* UnicodeScripts as a pattern: runs of characters of one script.  Han, Hiragana, Katakana and the prolonged sound mark
 * count as one; a space and what is unassigned belongs to the run before it, and to none at the beginning. */
#include "text/tok.h"

/* All but those above, and Common. */
static const char *const scripts[] = {
    "Adlam", "Ahom", "Anatolian_Hieroglyphs", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum", "Bassa_Vah",
    "Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "Canadian_Aboriginal",
    "Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee", "Chorasmian", "Coptic", "Cuneiform", "Cypriot",
    "Cyrillic", "Deseret", "Devanagari", "Dives_Akuru", "Dogra", "Duployan", "Egyptian_Hieroglyphs", "Elbasan",
    "Elymaic", "Ethiopic", "Georgian", "Glagolitic", "Gothic", "Grantha", "Greek", "Gujarati", "Gunjala_Gondi",
    "Gurmukhi", "Hangul", "Hanifi_Rohingya", "Hanunoo", "Hatran", "Hebrew", "Imperial_Aramaic", "Inherited",
    "Inscriptional_Pahlavi", "Inscriptional_Parthian", "Javanese", "Kaithi", "Kannada", "Kayah_Li", "Kharoshthi",
    "Khitan_Small_Script", "Khmer", "Khojki", "Khudawadi", "Lao", "Latin", "Lepcha", "Limbu", "Linear_A", "Linear_B",
    "Lisu", "Lycian", "Lydian", "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen",
    "Masaram_Gondi", "Medefaidrin", "Meetei_Mayek", "Mende_Kikakui", "Meroitic_Cursive", "Meroitic_Hieroglyphs",
    "Miao", "Modi", "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean", "Nandinagari", "New_Tai_Lue", "Newa",
    "Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham", "Ol_Chiki", "Old_Hungarian", "Old_Italic", "Old_North_Arabian",
    "Old_Permic", "Old_Persian", "Old_Sogdian", "Old_South_Arabian", "Old_Turkic", "Oriya", "Osage", "Osmanya",
    "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa", "Phoenician", "Psalter_Pahlavi", "Rejang", "Runic",
    "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "SignWriting", "Sinhala", "Sogdian", "Sora_Sompeng",
    "Soyombo", "Sundanese", "Syloti_Nagri", "Syriac", "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet",
    "Takri", "Tamil", "Tangut", "Telugu", "Thaana", "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Ugaritic", "Vai",
    "Wancho", "Warang_Citi", "Yezidi", "Yi", "Zanabazar_Square",
};

struct lt_tok_regex *lt_tok_script_regex(void)
{
    struct lt_buf b = { 0 };
    lt_buf_str(&b, "[\\p{sc:Han}\\p{sc:Hiragana}\\p{sc:Katakana}\\x{30FC}]"
                   "[\\p{sc:Han}\\p{sc:Hiragana}\\p{sc:Katakana}\\x{30FC} \\p{sc:Unknown}]*+"
                   "|(?![ \\x{30FC}])\\p{sc:Common}(?:[ \\p{sc:Unknown}]|(?!\\x{30FC})\\p{sc:Common})*+");
    for (int i = 0; i < LT_COUNT(scripts); i++)
        lt_buf_fmt(&b, "|\\p{sc:%s}[\\p{sc:%s} \\p{sc:Unknown}]*+", scripts[i], scripts[i]);
    struct lt_tok_regex *r = lt_tok_regex_new(lt_buf_view(&b));
    lt_buf_free(&b);
    return r;
}
