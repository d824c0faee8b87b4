/*
 * port_values - directives that take lists of ports, ranges and sets of words.
 * Inside config/ only.
 */
#ifndef POSTERN_CONFIG_PORT_VALUES_H
#define POSTERN_CONFIG_PORT_VALUES_H

#include "directives.h"

/* As directive_set() has it; an empty value is the default and adds nothing. */
int ports_add(struct port_list *list, const char *value, char *why);
int range_set(struct port_range *range, const char *value, char *why);

int ranges_add(struct port_ranges *ranges, const char *value, char *why);
int forwards_add(struct forwards *list, const char *value, char *why);

void ranges_print(const struct port_ranges *ranges, FILE *out);
void forwards_print(const struct forwards *list, FILE *out);
void ports_print(const struct port_list *list, FILE *out);
void range_print(const struct port_range *range, FILE *out);
void bits_print(const struct directive *d, uint8_t bits, FILE *out);

#endif
