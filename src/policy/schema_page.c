/* The reference page, made from the table. */
#include <stdio.h>

#include "policy/schema.h"

void policy_reference(FILE *out)
{
    static const char *const files[] = {[SCHEMA_ORGANISATION] = "policy.yaml",
                                        [SCHEMA_REPOSITORY] = "custody.yaml",
                                        [SCHEMA_BOTH] = "both"};
    static const char *const narrowing[] = {
        [NARROW_OWN] = "",
        [NARROW_MINIMUM] = "the repository's may not be larger",
        [NARROW_MAXIMUM] = "the repository's may not be smaller",
        [NARROW_STRICTER] = "the repository's may not be weaker (an earlier word)",
        [NARROW_LOOSER_NOT] = "the repository's may not be later in the list",
        [NARROW_UNION] = "both count",
        [NARROW_BOTH_MUST] = "both must allow",
        [NARROW_SUBSET] = "the repository's must be among the organisation's",
    };

    static const char *const effects[] = {
        [EFFECT_ENFORCED] = "yes",
        [EFFECT_NOTED] = "not yet: a warning",
    };

    (void)fputs("# Policy: every key\n\nMade from the table in `src/policy/schema.c` by "
                "`custody policy show --reference`; a test compares them.\n\n"
                "`policy.yaml` is the organisation's and trusted. `custody.yaml`, at the root "
                "of a repository, is read from the base\n"
                "commit, is not trusted, and may only narrow. `[]` stands for any item of a "
                "list, `*` for any key.\n\n"
                "Enforced says whether this version does what the key says. One that it does "
                "not is named by `policy check` and\n"
                "`run` with its place: as a warning where nothing is weaker without it, as a "
                "refusal (exit 3) where the policy would\n"
                "promise what does not hold. Its default may always be written.\n\n"
                "| key | type | default | file | narrowing | enforced | meaning "
                "|\n|---|---|---|---|---|---|---|\n",
                out);
    for (size_t i = 0; i < schema_row_count; i++) {
        const struct schema_row *row = &schema_rows[i];
        struct slice rest = slice_of(row->path);
        struct slice name;
        bool first = true;

        (void)fputs("| `", out);
        while (slice_cut(&rest, POLICY_SEP_BYTE, &name)) {
            if (slice_equal(name, SLICE("#")))
                (void)fputs("[]", out);
            else
                (void)fprintf(out, "%s%.*s", first ? "" : ".", SLICE_ARGS(name));
            first = false;
        }
        (void)fprintf(out, "` | %s%s%s | %s | %s | %s | %s | %s |\n",
                      schema_type_name(row->type), row->words == NULL ? "" : ": ",
                      row->words == NULL ? "" : row->words,
                      row->standard == NULL ? "" : row->standard, files[row->files],
                      narrowing[row->narrowing], effects[row->effect], row->text);
    }
}
