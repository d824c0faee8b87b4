/*
 * png_order - which pixels of a picture carry a veil, and in which order.
 */
#ifndef POSTERN_COVER_PNG_ORDER_H
#define POSTERN_COVER_PNG_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "cover.h"

/*
 * Draw the order without repetition: order[0] to order[take - 1] are numbers of pixels of a's
 * picture, whose sides alone matter here.
 *   order  room for all width * height numbers, which it also works in
 *   take   at most as many
 */
void png_order(const struct cover_args *a, uint32_t *order, size_t take);

#endif
