/*
 * roles/pdf/library.h - what is used of qpdf, loaded (dlopen) where a PDF file is met: it is C++
 * with libraries of its own, which cost every other start nothing.
 *
 * Why qpdf: it reads the file's structure and takes off its filters, repairs what viewers repair,
 * has an interface in C, and its licence (Apache-2.0) is ours; poppler's and mupdf's (GPL, AGPL) are
 * not. It knows nothing of text, that is classify/pdf/.
 */
#ifndef CUSTODY_ROLES_PDF_LIBRARY_H
#define CUSTODY_ROLES_PDF_LIBRARY_H

#include <qpdf/qpdf-c.h>

#include "base/fault.h"

struct pdf_library {
    __typeof__(qpdf_init) *init;
    __typeof__(qpdf_cleanup) *cleanup;
    __typeof__(qpdf_silence_errors) *silence_errors;
    __typeof__(qpdf_has_error) *has_error;
    __typeof__(qpdf_get_error) *take_error;
    __typeof__(qpdf_set_suppress_warnings) *suppress_warnings;
    __typeof__(qpdf_read_memory) *read_memory;
    __typeof__(qpdf_get_num_pages) *page_count;
    __typeof__(qpdf_get_page_n) *page;
    __typeof__(qpdf_get_trailer) *trailer;
    __typeof__(qpdf_get_object_by_id) *object_by_id;
    __typeof__(qpdf_oh_release) *release;
    __typeof__(qpdf_oh_get_type_code) *type;
    __typeof__(qpdf_oh_is_indirect) *is_indirect;
    __typeof__(qpdf_oh_get_object_id) *object_id;
    __typeof__(qpdf_oh_get_array_n_items) *item_count;
    __typeof__(qpdf_oh_get_array_item) *item;
    __typeof__(qpdf_oh_begin_dict_key_iter) *begin_keys;
    __typeof__(qpdf_oh_dict_more_keys) *more_keys;
    __typeof__(qpdf_oh_dict_next_key) *next_key;
    __typeof__(qpdf_oh_get_key_if_dict) *key;
    __typeof__(qpdf_oh_get_dict) *dictionary;
    __typeof__(qpdf_oh_get_value_as_name) *as_name;
    __typeof__(qpdf_oh_get_value_as_number) *as_number;
    __typeof__(qpdf_oh_get_value_as_utf8) *as_text;
    __typeof__(qpdf_oh_get_stream_data) *stream_data;
    __typeof__(qpdf_oh_get_page_content_data) *page_content;
};

/* FAULT_HOST: it is not installed. Loaded once; never unloaded. */
MUST_USE bool pdf_library_load(const struct pdf_library **ret_library, struct fault *fault);

#endif
