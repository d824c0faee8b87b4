#include "emit.h"

static void begin(struct emit *e, const char *name)
{
	if (e->depth > 0)
		fprintf(e->out, "%s\n%*s", e->later ? "," : "", e->depth, "");
	if (name)
		fprintf(e->out, "\"%s\": ", name);
	e->later = true;
}

void emit_open(struct emit *e, const char *name, char bracket)
{
	begin(e, name);
	fputc(bracket, e->out);
	e->depth++;
	e->later = false;
}

void emit_close(struct emit *e, char bracket)
{
	e->depth--;
	fprintf(e->out, "\n%*s%c", e->depth, "", bracket);
	e->later = true;
	if (e->depth == 0)
		fputc('\n', e->out);
}

void emit_text(struct emit *e, const char *name, const char *text)
{
	begin(e, name);
	fprintf(e->out, "\"%s\"", text);
}

void emit_number(struct emit *e, const char *name, long number)
{
	begin(e, name);
	fprintf(e->out, "%ld", number);
}

void emit_hex(struct emit *e, const char *name, const uint8_t *bytes, size_t len)
{
	begin(e, name);
	fputc('"', e->out);
	for (size_t i = 0; i < len; i++)
		fprintf(e->out, "%02x", bytes[i]);
	fputc('"', e->out);
}

void emit_u64(struct emit *e, const char *name, uint64_t v)
{
	begin(e, name);
	fprintf(e->out, "\"%016llx\"", (unsigned long long)v);
}
