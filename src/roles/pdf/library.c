#include "roles/pdf/library.h"

#include <stddef.h>

#include "os/library.h"

#define LIBRARY "libqpdf.so.29"

static const struct library_symbol symbols[] = {
    {"qpdf_init", offsetof(struct pdf_library, init)},
    {"qpdf_cleanup", offsetof(struct pdf_library, cleanup)},
    {"qpdf_silence_errors", offsetof(struct pdf_library, silence_errors)},
    {"qpdf_has_error", offsetof(struct pdf_library, has_error)},
    {"qpdf_get_error", offsetof(struct pdf_library, take_error)},
    {"qpdf_set_suppress_warnings", offsetof(struct pdf_library, suppress_warnings)},
    {"qpdf_read_memory", offsetof(struct pdf_library, read_memory)},
    {"qpdf_get_num_pages", offsetof(struct pdf_library, page_count)},
    {"qpdf_get_page_n", offsetof(struct pdf_library, page)},
    {"qpdf_get_trailer", offsetof(struct pdf_library, trailer)},
    {"qpdf_get_object_by_id", offsetof(struct pdf_library, object_by_id)},
    {"qpdf_oh_release", offsetof(struct pdf_library, release)},
    {"qpdf_oh_get_type_code", offsetof(struct pdf_library, type)},
    {"qpdf_oh_is_indirect", offsetof(struct pdf_library, is_indirect)},
    {"qpdf_oh_get_object_id", offsetof(struct pdf_library, object_id)},
    {"qpdf_oh_get_array_n_items", offsetof(struct pdf_library, item_count)},
    {"qpdf_oh_get_array_item", offsetof(struct pdf_library, item)},
    {"qpdf_oh_begin_dict_key_iter", offsetof(struct pdf_library, begin_keys)},
    {"qpdf_oh_dict_more_keys", offsetof(struct pdf_library, more_keys)},
    {"qpdf_oh_dict_next_key", offsetof(struct pdf_library, next_key)},
    {"qpdf_oh_get_key_if_dict", offsetof(struct pdf_library, key)},
    {"qpdf_oh_get_dict", offsetof(struct pdf_library, dictionary)},
    {"qpdf_oh_get_value_as_name", offsetof(struct pdf_library, as_name)},
    {"qpdf_oh_get_value_as_number", offsetof(struct pdf_library, as_number)},
    {"qpdf_oh_get_value_as_utf8", offsetof(struct pdf_library, as_text)},
    {"qpdf_oh_get_stream_data", offsetof(struct pdf_library, stream_data)},
    {"qpdf_oh_get_page_content_data", offsetof(struct pdf_library, page_content)},
};

bool pdf_library_load(const struct pdf_library **ret_library, struct fault *fault)
{
    static struct pdf_library library;

    if (!library_load(LIBRARY, "libqpdf29", symbols, COUNT(symbols), &library, fault))
        return false;
    *ret_library = &library;
    return true;
}
