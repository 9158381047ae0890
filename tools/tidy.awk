# The rules of tools/tidy.  The first two files are the tables; every other is judged.

function fault(rule, line, text) {
    printf "%s:%d: %s\n", FILENAME, line, text
    faults[rule]++
    count++
}

function fault_at(rule, place, text) {
    printf "%s: %s\n", place, text
    faults[rule]++
    count++
}

# folder of src/NAME/..., "" for files that stand in no folder
function folder_of(path,    part) {
    if (split(path, part, "/") < 3 || part[1] != "src") return ""
    return part[2]
}

function base_name(path) { sub(/.*\//, "", path); return path }

function begin_file() {
    finish_file()
    file_count++
    c = FILENAME ~ /\.[ch]$/
    folder = folder_of(FILENAME)
    function_line = 0
    first_include = room = ""
    lines_seen = 0
    if (c && FILENAME ~ /^src\//) {
        name = base_name(FILENAME)
        if (name in owner) fault("names", 1, "another file is called so: " owner[name])
        owner[name] = FILENAME
    }
    if (FILENAME ~ /\.h$/) header[substr(FILENAME, 5)] = 1
    if (FILENAME ~ /^test\/(unit|conform|diff|sim)\/.*\.c$/ && FILENAME !~ /_test\.c$/)
        fault("tests", 1, "a test file is called NAME_test.c")
}

function finish_file(    own, t) {
    if (last == "") return
    if (last_is_c && lines_seen > 800) fault_at("file", last ":" lines_seen, "a file has at most 800 lines")
    own = last
    sub(/^src\//, "", own)
    sub(/\.c$/, ".h", own)
    if (last ~ /^src\/.*\.c$/ && first_include != own) other_first[last] = own
    for (t in test_defined)
        if (!(t in test_used))
            fault_at("tests", last ":" test_defined[t], t " is never run: it is missing from main's list")
    split("", test_defined)
    split("", test_used)
}

function check_include(line,    path, to) {
    path = line
    sub(/^#include[ \t]*"/, "", path)
    sub(/".*/, "", path)
    if (first_include == "") first_include = path
    if (folder == "" || path !~ /\//) return
    to = path
    sub(/\/.*/, "", to)
    if (to == folder || index(" " may[folder] " ", " " to " ")) return
    if (folder == "cli" && (to == "base" || room == "" || room == path)) {
        if (to != "base") room = path
        return
    }
    fault("includes", FNR, folder "/ may not include " path)
}

# A function begins in the first column and its '{' ends that line or stands alone; '}' in the first column ends it.
function check_function() {
    if ($0 ~ /^\{/ || ($0 ~ /^[a-z].*\) \{$/ && $0 !~ /=/)) function_line = FNR
    if ($0 ~ /^\}/) {
        if (function_line && FNR - function_line + 1 > 70)
            fault("function", function_line, "a function has at most 70 lines; this one has " (FNR - function_line + 1))
        function_line = 0
    }
}

function check_state() {
    if ($0 !~ /^static / || $0 ~ /(const|inline|_Thread_local|pthread_once_t) / || $0 !~ /(;|\{|=)/) return
    declared = $0
    sub(/[=;{].*/, "", declared)
    if (declared !~ /\(/ && FILENAME ~ /^src\// && FILENAME != "src/math/cpu.c")
        fault("state", FNR, "no mutable variable outside functions; state arrives by argument")
}

function check_library() {
    if (FILENAME !~ /^src\// || folder == "cli" || FILENAME == "src/base/memory.c") return
    if ($0 ~ /(^|[^a-z_0-9>.])(printf|puts|putchar|perror|exit|_exit|abort)\(/ || $0 ~ /fprintf\((stderr|stdout)/)
        fault("library", FNR, "the library neither prints nor exits")
}

function check_method(    word) {
    if ($0 ~ /^#define DECLARE_/) {
        match($0, /lt_[a-z_]+_##n/)
        word = $0
        sub(/^#define DECLARE_/, "", word)
        sub(/\(.*/, "", word)
        prefix_of[word "S"] = substr($0, RSTART, RLENGTH - 3)
    }
    if ($0 ~ /^#define [A-Z]+\(X\)/) {
        word = $2
        sub(/\(.*/, "", word)
        list = word
    }
    if (list != "") collect_list()
}

function collect_list(    rest, name) {
    rest = $0
    while (match(rest, /X\([a-z0-9_]+\)/)) {
        name = substr(rest, RSTART + 2, RLENGTH - 3)
        rest = substr(rest, RSTART + RLENGTH)
        if (name <= last_in[list]) fault("lists", FNR, list " is not sorted: " name " after " last_in[list])
        last_in[list] = name
        listed[list, name] = 1
    }
    if ($0 !~ /\\$/) list = ""
}

function check_test(    name, rest) {
    if (match($0, /^static void test_[a-z0-9_]*\(void \*\*/)) {
        name = $3
        sub(/\(.*/, "", name)
        if (name !~ /^test_[a-z0-9_]+__[a-z0-9_]+$/) fault("tests", FNR, name ": a test is called test_SUITE__CASE")
        test_defined[name] = FNR
        return
    }
    for (rest = $0; match(rest, /test_[a-z0-9_]+__[a-z0-9_]+/); rest = substr(rest, RSTART + RLENGTH))
        test_used[substr(rest, RSTART, RLENGTH)] = 1
}

function check_words(    i) {
    for (i = 1; i <= word_count; i++)
        if (index($0, word_is[i]) && (" " $0 " ") ~ word[i])
            fault("words", FNR, "a word that has no place here: " word_is[i])
}

function check_line() {
    lines_seen++
    if (FILENAME !~ /\.(md|tsv|txt|json|jsonl|yaml)$/ && length($0) > 120)
        fault("line", FNR, "a line has at most 120 columns; this one has " length($0))
    if ($0 ~ /\t/ && FILENAME !~ /Makefile$/ && FILENAME !~ /\.(tsv|txt)$/) fault("blanks", FNR, "a tab")
    if ($0 ~ /[ \t\r]$/ && FILENAME !~ /^test\/golden\//) fault("blanks", FNR, "blanks at the end of the line")
    check_words()
}

BEGIN {
    rules = split("includes function file line lists names state library tests blanks words own-header types fuzz", \
                  rule)
}

FNR == 1 && NR != 1 && FILENAME != tables[2] { begin_file(); last = FILENAME; last_is_c = c }

FILENAME == ARGV[1] {
    if ($0 ~ /^[a-z]+:/) { key = $1; sub(/:/, "", key); $1 = ""; may[key] = $0 }
    next
}
FILENAME == ARGV[2] {
    tables[2] = ARGV[2]
    if ($0 == "" || $0 ~ /^#/) next
    word_is[++word_count] = $0
    escaped = $0
    gsub(/[.]/, "[.]", escaped)
    word[word_count] = ($0 ~ /^[A-Za-z]/ ? "[^A-Za-z_]" : "") escaped ($0 ~ /[A-Za-z]$/ ? "[^A-Za-z_]" : "")
    next
}
FILENAME ~ /banned-words$/ { next }
{ check_line() }
FILENAME == "src/methods.c" { check_method() }
c && /^#include "/ { check_include($0) }
c { check_function(); check_state(); check_library() }
c && /^typedef (struct|union|enum)[^(]*$/ { fault("types", FNR, "a struct keeps its name: no typedef") }
c && /^const struct lt_[a-z_]+ lt_[a-z0-9_]+ = / { sub(/^lt_/, "", $4); method[$3 " lt_" $4] = FILENAME ":" FNR }
FILENAME ~ /^test\/(unit|conform|diff|sim|fault)\/.*\.c$/ { check_test() }
FILENAME ~ /^test\/fuzz\/fuzz_.*\.c$/ && FNR == 1 {
    name = base_name(FILENAME)
    sub(/^fuzz_/, "", name)
    sub(/\.c$/, "", name)
    if (system("ls test/fuzz/corpus/" name "/* >/dev/null 2>&1")) fault("fuzz", 1, "no seed in test/fuzz/corpus/" name)
}

END {
    finish_file()
    for (path in other_first)
        if (other_first[path] in header)
            fault_at("own-header", path ":1", "its own header " other_first[path] " comes first")
    for (m in method) {
        split(m, word_of, " ")
        for (l in prefix_of) {
            n = length(prefix_of[l])
            if (substr(word_of[2], 1, n) == prefix_of[l] && !((l, substr(word_of[2], n + 1)) in listed))
                fault_at("lists", method[m], word_of[2] " is missing from " l " in src/methods.c")
        }
    }
    for (i = 1; i <= rules; i++) if (faults[rule[i]]) broken++
    printf "tidy: %d files, %d faults\n", file_count, count
    printf "%d passed, %d failed, 0 skipped\n", rules - broken, broken
    exit broken > 0
}
