/* Code: what an image says of its kernels, and launches that are held to it.

   An image is a cubin where nvJitLink has linked it, or the PTX itself where the driver is asked to link: it has no
   assembler here. Both tell a kernel's parameters, the threads it was bounded to and its shared memory; the cubin its
   registers too. */

#include "driver.h"

typedef struct { char *code; size_t bytes; } Image;
typedef struct { u32 name, type; size_t flags, address, at, bytes; u32 link, info; size_t align, each; } Section; /* of ELF */
typedef struct { u32 grid[3], block[3], shared; Stream *stream; void *attributes; u32 count; } Launch;
enum { BOUND = 0x05, PARAMETER = 0x17, REGISTER_COUNT = 0x2f }; /* what NVIDIA's sections .nv.info tell */

static int is_cubin(const char *code) { return !memcmp(code, "\177ELF", 4); }

int cuLinkCreate(u32 count, int *options, void **values, Image **image) {
    *image = calloc(1, sizeof **image);
    (*image)->code = strdup("");
    return OK;
}
int cuLinkAddData(Image *image, int type, char *data, size_t bytes, const char *name, u32 count, int *options, void **values) {
    if (type != 1) return tell(NOT_SUPPORTED, "cuLinkAddData type=%d", type); /* 1 is PTX */
    image->code = realloc(image->code, image->bytes + bytes + 1);
    memcpy(image->code + image->bytes, data, bytes);
    image->code[image->bytes += bytes] = 0;
    return tell(OK, "cuLinkAddData bytes=%zu", bytes);
}
int cuLinkComplete(Image *image, void **code, size_t *bytes) {
    return *code = image->code, *bytes = strlen(image->code) + 1, OK;
}
int cuLinkDestroy(Image *image) {
    free(image->code);
    free(image);
    return OK;
}

static Section *sections(const char *code) { return (Section *)(code + *(size_t *)(code + 0x28)); }
static int section_count(const char *code) { return *(unsigned short *)(code + 0x3c); }

int cuLibraryLoadData(Image **image, char *code, int *options, void **values, u32 n, int *more, void **v, u32 m) {
    int fits = is_cubin(code) ? code[0x12] == (char)190 : strstr(code, ".version") && strstr(code, ".target sm_90");
    size_t bytes = 0;
    if (fits && is_cubin(code)) { /* program headers are the last thing in a cubin */
        bytes = *(size_t *)(code + 0x20) + *(unsigned short *)(code + 0x38) * 56;
        if (bytes < (size_t)((char *)(sections(code) + section_count(code)) - code)) fits = 0;
    } else if (fits) bytes = strlen(code) + 1;
    if (!fits) return tell(INVALID_IMAGE, "cuLibraryLoadData");
    *image = malloc(sizeof **image);
    **image = (Image){memcpy(malloc(bytes), code, bytes), bytes};
    return tell(OK, "cuLibraryLoadData %s library=%p bytes=%zu", is_cubin(code) ? "cubin" : "PTX", *image, bytes);
}
int cuLibraryUnload(Image *image) { return tell(OK, "cuLibraryUnload library=%p", image); }

/* Notes of the assembler: a format, a kind, and for format 4 so many bytes that follow. */
static void read_notes(Kernel *kernel, const unsigned char *at, size_t bytes) {
    const unsigned char *end = at + bytes;
    while (at + 4 <= end) {
        size_t size = at[0] == 4 ? *(unsigned short *)(at + 2) : 0;
        const u32 *numbers = (const u32 *)(at + 4);
        if (size && at[1] == BOUND) kernel->threads = numbers[0] * numbers[1] * numbers[2];
        if (size && at[1] == REGISTER_COUNT) kernel->registers = numbers[1];
        if (size && at[1] == PARAMETER && at[8] < PARAMETERS) {
            kernel->sizes[at[8]] = numbers[2] >> 18;
            if (kernel->count <= at[8]) kernel->count = at[8] + 1;
        }
        at += 4 + size;
    }
}

static int read_cubin(Kernel *kernel, const char *code) {
    const Section *all = sections(code), *names = &all[*(unsigned short *)(code + 0x3e)];
    int found = 0;
    for (int i = 0; i < section_count(code); i++) {
        const char *name = code + names->at + all[i].name, *part = strstr(name, kernel->name);
        int own = part && !strcmp(part, kernel->name);
        if (own && !strncmp(name, ".text.", 6)) found = 1;
        if (own && !strncmp(name, ".nv.shared.", 11)) kernel->shared = all[i].bytes;
        if (!strcmp(name, ".nv.info") || (own && !strncmp(name, ".nv.info.", 9)))
            read_notes(kernel, (const unsigned char *)code + all[i].at, all[i].bytes);
    }
    return found;
}

static int read_ptx(Kernel *kernel, const char *code) {
    char entry[4096];
    snprintf(entry, sizeof entry, ".entry %s(", kernel->name);
    const char *start = strstr(code, entry), *body = start ? strchr(start, '{') : NULL, *bound;
    if (!body) return 0;
    if ((bound = strstr(start, ".maxntid ")) && bound < body) kernel->threads = atoi(bound + 9);
    for (const char *one = start; (one = strstr(one, ".param .")) && one < body && kernel->count < PARAMETERS; one++)
        kernel->sizes[kernel->count++] = atoi(one + 9) / 8; /* .u64, .u32, .f32, .f64 */
    for (const char *one = code; (one = strstr(one, ".shared .align ")) && (one = strchr(one, '['));)
        kernel->shared += atoi(++one);
    return 1;
}

/* A name as the compiler writes it, _ZN 7minicae 7kernels 4cuda 6memory 6_scale ..., as Python would: memory._scale. */
static const char *spoken(const char *name) {
    static const char ours[] = "minicae.kernels.cuda.";
    static char text[1024];
    int size, length = 0;
    if (strncmp(name, "_ZN", 3)) return name;
    for (name += 3; (size = atoi(name)) > 0; name += size) {
        while (*name >= '0' && *name <= '9') name++;
        if (strncmp(name, "_3clocals", 9) && length + size + 2 < (int)sizeof text) /* <locals> */
            length += sprintf(text + length, "%s%.*s", length ? "." : "", size, name);
    }
    return text + (strncmp(text, ours, sizeof ours - 1) ? 0 : sizeof ours - 1);
}

int cuLibraryGetKernel(Kernel **made, Image *image, const char *name) {
    Kernel *kernel = *made = calloc(1, sizeof *kernel);
    kernel->name = strdup(name);
    kernel->threads = BLOCK_THREADS;
    int found = (is_cubin(image->code) ? read_cubin : read_ptx)(kernel, image->code);
    return tell(found ? OK : NOT_FOUND, "cuLibraryGetKernel %s parameters=%d threads=%d shared=%d registers=%d",
                spoken(name), kernel->count, kernel->threads, kernel->shared, kernel->registers);
}
int cuKernelGetFunction(Kernel **function, Kernel *kernel) { return *function = kernel, OK; }
int cuFuncGetAttribute(int *value, int attribute, Kernel *kernel) {
    *value = attribute == 0 ? kernel->threads : attribute == 1 ? kernel->shared : attribute == 4 ? kernel->registers : 0;
    return OK;
}
int cuKernelGetAttribute(int *value, int attribute, Kernel *kernel, int device) {
    return cuFuncGetAttribute(value, attribute, kernel);
}

static int resident(const Kernel *kernel, int threads) { /* blocks that the registers of a multiprocessor are enough for */
    int each = (kernel->registers + 7) / 8 * 8 * ((threads + 31) / 32 * 32);
    return each ? REGISTERS / each : 32;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Kernel *kernel, int threads, size_t shared) {
    if (threads < 1 || threads > kernel->threads) return INVALID_VALUE;
    int most = resident(kernel, threads);
    *blocks = most < MULTIPROCESSOR_THREADS / threads ? most : MULTIPROCESSOR_THREADS / threads;
    return OK;
}

/* The arrays that a kernel is given: numba hands one over as two nulls, items, bytes of each, address, lengths, strides. */
static int read_arguments(Node *node, void **values) {
    const Kernel *kernel = node->kernel;
    for (int i = 0; i < kernel->count; i++) {
        Address at = kernel->sizes[i] == 8 ? *(Address *)values[i] : 0;
        if (!on_device(at)) continue;
        if (i < 4 || node->count == SPANS) return INVALID_VALUE;
        Span span = {at, *(size_t *)values[i - 2] * *(size_t *)values[i - 1]};
        if (!allocated(span.at, span.bytes)) return ILLEGAL_ADDRESS;
        node->spans[node->count++] = span;
    }
    return OK;
}

int cuLaunchKernelEx(const Launch *launch, Kernel *kernel, void **values, void **extra) {
    Node node = {.kernel = kernel};
    const u32 *grid = launch->grid, *block = launch->block;
    size_t threads = (size_t)block[0] * block[1] * block[2];
    int sound = grid[0] && grid[1] && grid[2] && grid[0] <= 2147483647 && grid[1] <= 65535 && grid[2] <= 65535 && threads &&
                threads <= (size_t)kernel->threads && block[2] <= 64 && kernel->shared + launch->shared <= SHARED && !extra;
    int result = !sound ? INVALID_VALUE : !resident(kernel, threads) ? OUT_OF_RESOURCES : read_arguments(&node, values);
    if (!result) result = queue(launch->stream, &node);
    return tell(result, "cuLaunchKernel %s grid=%u,%u,%u block=%u,%u,%u stream=%p arrays=%d", spoken(kernel->name), grid[0],
                grid[1], grid[2], block[0], block[1], block[2], launch->stream, node.count);
}
int cuLaunchKernel(Kernel *kernel, u32 gx, u32 gy, u32 gz, u32 bx, u32 by, u32 bz, u32 shared, Stream *stream, void **values,
                   void **extra) {
    return cuLaunchKernelEx(&(Launch){{gx, gy, gz}, {bx, by, bz}, shared, stream, NULL, 0}, kernel, values, extra);
}
