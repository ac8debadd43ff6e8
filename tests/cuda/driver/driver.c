/* The driver itself, its one device and context, and how a function is found by its name. */

#define _GNU_SOURCE
#include "driver.h"
#include <dlfcn.h>
#include <stdarg.h>

static char device_context;
static __thread void *contexts[64]; /* the last is the current one of a thread */
static __thread int depth;

int tell(int result, const char *format, ...) {
    static FILE *log;
    const char *path = getenv("MINICAE_DRIVER_LOG");
    if (!log && (!path || !(log = fopen(path, "a")))) return result;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(log, result ? "%s error=%d\n" : "%s\n", line, result);
    fflush(log);
    return result;
}

int cuGetProcAddress_v2(const char *symbol, void **found, int version, unsigned long long flags, int *status) {
    Dl_info own;
    dladdr((void *)cuGetProcAddress_v2, &own);
    void *library = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    *found = dlsym(library, symbol);
    dlclose(library);
    if (status) *status = *found ? 0 : 1;
    return *found ? OK : (tell(OK, "missing %s", symbol), NOT_FOUND); /* to call it is an error of cuda-bindings */
}

int outside(void) { return contexts[depth] ? OK : INVALID_CONTEXT; }

int cuInit(u32 flags) { return tell(OK, "cuInit"); }
int cuDriverGetVersion(int *version) { return *version = 13000, OK; }
int cuGetErrorName(int error, const char **name) {
    static const struct { int error; const char *name; } all[] = {
        {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"}, {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
        {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"}, {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"},
        {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
        {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
        {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
        {CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"}};
    *name = "an error of the stand-in for the driver";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].error == error) *name = all[i].name;
    return OK;
}
int cuGetErrorString(int error, const char **text) { return *text = "its log tells of which call", OK; }

int cuDeviceGetCount(int *count) { return *count = 1, OK; }
int cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal ? INVALID_DEVICE : OK; }
int cuDeviceGetName(char *name, int bytes, int device) { return snprintf(name, bytes, "stand-in for an H200"), OK; }
int cuDeviceGetUuid(char *uuid, int device) { return memset(uuid, 7, 16), OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    static const int known[][2] = {
        /* 1: threads of a block; its sides, and the grid's */
        {1, BLOCK_THREADS}, {2, 1024}, {3, 1024}, {4, 64}, {5, 2147483647}, {6, 65535}, {7, 65535},
        /* 8: shared memory of a block, constant memory, a warp's threads, a block's registers, kHz, multiprocessors */
        {8, SHARED}, {9, 65536}, {10, 32}, {12, REGISTERS}, {13, 1980000}, {16, 132},
        /* 31: kernels at once, kHz and bits of the memory, bytes of its cache, threads of a multiprocessor, one space */
        {31, 1}, {36, 3201000}, {37, 6144}, {38, 62914560}, {39, MULTIPROCESSOR_THREADS}, {40, 3}, {41, 1},
        /* 75: compute capability; 81: shared memory and registers of a multiprocessor; 97: shared memory asked for */
        {75, 9}, {76, 0}, {78, 1}, {79, 1}, {80, 1}, {81, 233472}, {82, REGISTERS}, {83, 1}, {95, 1}, {97, 232448},
        {106, 32}, {111, 1024}, {115, 1}, {120, 1}};
    *value = 0; /* of a feature: that there is none */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i][0] == attribute) *value = known[i][1];
    return device ? INVALID_DEVICE : OK;
}

int cuDevicePrimaryCtxRetain(void **made, int device) { return *made = &device_context, OK; }
int cuDevicePrimaryCtxRelease(int device) { return OK; }
int cuCtxGetCurrent(void **current) { return *current = contexts[depth], OK; }
int cuCtxSetCurrent(void *one) { return contexts[depth] = one, OK; }
int cuCtxPushCurrent(void *one) { return depth == 63 ? INVALID_VALUE : (contexts[++depth] = one, OK); }
int cuCtxPopCurrent(void **popped) {
    *popped = contexts[depth];
    contexts[depth] = NULL;
    depth -= depth > 0;
    return OK;
}
int cuCtxGetDevice(int *device) { return *device = 0, outside(); }
int cuCtxSynchronize(void) { return tell(disturbed(CAPTURE_UNSUPPORTED), "cuCtxSynchronize"); }
