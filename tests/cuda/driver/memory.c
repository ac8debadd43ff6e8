/* Memory of the device and pinned memory of the host, and copies, which must stay inside one allocation. */

#include "driver.h"

typedef struct Memory { struct Memory *next; Address at; size_t bytes; char *host; } Memory; /* host is NULL once freed */

static const size_t TOTAL = 141ull << 30;
static const Address FIRST = 1ull << 52; /* where no pointer of the host can lie */
static Memory *memories;
static Address next_address = 1ull << 52;
static size_t used;

static Memory *holder(Address at, size_t bytes) {
    for (Memory *one = memories; one; one = one->next)
        if (one->host && at >= one->at && at - one->at <= one->bytes && bytes <= one->bytes - (at - one->at)) return one;
    return NULL;
}

int on_device(Address at) { return at >= FIRST && at < 2 * FIRST; }
int allocated(Address at, size_t bytes) { return holder(at, bytes) != NULL; }

/* Where a span of numbers really is; NULL where it is nobody's. */
static char *place(Address at, size_t bytes) {
    Memory *memory = holder(at, bytes);
    return memory ? memory->host + (at - memory->at) : on_device(at) ? NULL : (char *)at;
}

static int keep(Address at, size_t bytes, char *host) {
    Memory *made = malloc(sizeof *made);
    *made = (Memory){memories, at, bytes, host};
    memories = made;
    used += on_device(at) ? bytes : 0;
    return OK;
}

static int release(Address at) {
    int result = disturbed(CAPTURE_UNSUPPORTED);
    if (result || !at) return result;
    for (Memory *one = memories; one; one = one->next)
        if (one->at == at && one->host) {
            free(one->host);
            one->host = NULL;
            used -= on_device(at) ? one->bytes : 0;
            return OK;
        }
    return INVALID_VALUE;
}

int cuMemAlloc(Address *at, size_t bytes) {
    int result = outside() ? outside() : disturbed(CAPTURE_UNSUPPORTED);
    if (!result) result = !bytes ? INVALID_VALUE : bytes > TOTAL - used ? OUT_OF_MEMORY : OK;
    if (!result) {
        *at = next_address;
        next_address += (bytes + 4095) / 512 * 512; /* what follows an allocation belongs to nobody */
        keep(*at, bytes, calloc(1, bytes));
    }
    return tell(result, "cuMemAlloc address=%#llx bytes=%zu", result ? 0 : *at, bytes);
}
int cuMemFree(Address at) { return tell(release(at), "cuMemFree address=%#llx", at); }

int cuMemHostAlloc(char **made, size_t bytes, u32 flags) {
    int result = outside() ? outside() : disturbed(CAPTURE_UNSUPPORTED);
    *made = result ? NULL : calloc(1, bytes);
    if (!result) keep((Address)*made, bytes, *made);
    return tell(result, "cuMemHostAlloc address=%#llx bytes=%zu", (Address)*made, bytes);
}
int cuMemFreeHost(char *at) { return tell(release((Address)at), "cuMemFreeHost address=%#llx", (Address)at); }

int cuMemGetInfo(size_t *left, size_t *total) { return *left = TOTAL - used, *total = TOTAL, OK; }

int cuMemGetAddressRange(Address *base, size_t *bytes, Address at) {
    Memory *memory = holder(at, 1);
    if (memory && base) *base = memory->at;
    if (memory && bytes) *bytes = memory->bytes;
    return memory ? OK : INVALID_VALUE;
}

int cuPointerGetAttribute(void *value, int attribute, Address at) {
    if (attribute == 2) *(u32 *)value = on_device(at) ? 2 : 1;
    else if (attribute == 3) *(Address *)value = at;
    else return tell(NOT_SUPPORTED, "cuPointerGetAttribute attribute=%d", attribute);
    return allocated(at, 1) ? OK : INVALID_VALUE;
}

int execute(const Node *node) {
    for (int i = 0; i < node->count; i++) /* a graph may outlive what its kernels are given */
        if (!allocated(node->spans[i].at, node->spans[i].bytes)) return ILLEGAL_ADDRESS;
    if (!node->bytes) return OK;
    char *to = place(node->to, node->bytes), *from = node->from ? place(node->from, node->bytes) : to;
    if (!to || !from) return ILLEGAL_ADDRESS;
    if (node->from) memmove(to, from, node->bytes);
    else memset(to, node->value, node->bytes);
    return OK;
}

static int copy(const char *call, Address to, Address from, size_t bytes, Stream *stream) {
    Node node = {.to = to, .from = from, .bytes = bytes};
    const char *kind = strchr(call, 'y') + 1; /* HtoD, DtoH, DtoD */
    int inside = on_device(to) == (kind[3] == 'D') && on_device(from) == (kind[0] == 'D');
    inside = inside && place(to, bytes) && place(from, bytes);
    const char *pinned = allocated(kind[0] == 'H' ? from : to, bytes) ? "" : " pageable";
    int result = !bytes || inside ? queue(stream, &node) : INVALID_VALUE;
    return tell(result, "%s to=%#llx from=%#llx bytes=%zu stream=%p%s", call, to, from, bytes, stream, pinned);
}
int cuMemcpyHtoD(Address to, Address from, size_t bytes) { return copy("cuMemcpyHtoD", to, from, bytes, NULL); }
int cuMemcpyDtoH(Address to, Address from, size_t bytes) { return copy("cuMemcpyDtoH", to, from, bytes, NULL); }
int cuMemcpyDtoD(Address to, Address from, size_t bytes) { return copy("cuMemcpyDtoD", to, from, bytes, NULL); }
int cuMemcpyHtoDAsync(Address to, Address from, size_t bytes, Stream *stream) {
    return copy("cuMemcpyHtoDAsync", to, from, bytes, stream);
}
int cuMemcpyDtoHAsync(Address to, Address from, size_t bytes, Stream *stream) {
    return copy("cuMemcpyDtoHAsync", to, from, bytes, stream);
}
int cuMemcpyDtoDAsync(Address to, Address from, size_t bytes, Stream *stream) {
    return copy("cuMemcpyDtoDAsync", to, from, bytes, stream);
}

int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, Stream *stream) {
    Node node = {.to = to, .bytes = bytes, .value = value};
    int result = !bytes || allocated(to, bytes) ? queue(stream, &node) : INVALID_VALUE;
    return tell(result, "cuMemsetD8Async to=%#llx bytes=%zu stream=%p", to, bytes, stream);
}
int cuMemsetD8(Address to, unsigned char value, size_t bytes) { return cuMemsetD8Async(to, value, bytes, NULL); }
