/* `lathe sentences`: documents into shuffled sentences without duplicates, some of them held out. */
#ifndef LT_SENTENCE_CORPUS_H
#define LT_SENTENCE_CORPUS_H

#include "text/document.h"

#define LT_SENTENCE_PARTITIONS_MAX 1000

struct lt_sentence_corpus_options {
    struct lt_list input;
    const char *output, *abbreviations, *end_mark, *temp_dir;
    int64_t seed, partitions, held_out, min_words, max_words, min_count, memory;
    double test;
    bool lines, tokenize, dedup, documents, json;
    struct lt_docs_how docs;
};
/* Writes the folder o->output: train.txt, dev.txt and test.txt, a sentence a line; vocab.txt; sentences.json, the
 * figures, which are printed as well.  A sentence's place is a hash of its words and the seed: the order of the input
 * changes nothing, equal sentences meet, and none moves to another partition when others come.  In memory are the words
 * of the training text, one partition, and o->memory MiB. */
int lt_sentence_corpus_run(const struct lt_sentence_corpus_options *o, struct lt_ctx *c);

#endif
